# %% [markdown] id="title"
# # Start Here
#
# You have job titles as people type them, such as "Sr. RN – ICU", and need the code of the occupation that each one means. This notebook
# goes the whole way, in three parts. Each part stands alone, so begin where you like.
#
# | part | what you do | time with the bundled titles | needs |
# | --- | --- | --- | --- |
# | 1. A model | look at the data, split it without leaks, train, evaluate, code titles | 1 minute | Python |
# | 2. A pipeline | run the same steps as a pipeline, with a gate, a registry, a service and monitoring | 2 minutes | Python |
# | 3. SageMaker | bring the pipeline to AWS: repository, build, approval, endpoint | 1 minute | nothing more; an account if you want |
#
# Install what it needs in a checkout with `pip install -e packages/sagelocal -e '.[tutorial]'`; `make test` installs it, too. Then
# open the notebook in any program for notebooks, with that environment as its kernel. [The same text as a script](start_here.py) stands
# beside it.

# %% [markdown] id="part-1"
# # Part 1: a model
#
# **The problem.** A payroll, a register or a survey has titles in free text. To count nurses or to compare wages, you need one code
# for each occupation, of a classification that everybody knows. A person can code a few hundred titles a day; a model codes
# millions. You can rely on it if you know how often it is right, and if it says when it does not know.

# %% id="part-1-setup"
from pathlib import Path

import polars as pl

from jobmajor import soc, tutorial
from jobmajor.data import examples, onet, prepare, source
from jobmajor.settings import Linear, Split

WORK = Path(".jobmajor/start-here").absolute()
WORK.mkdir(parents=True, exist_ok=True)

# %% [markdown] id="data-words"
# ## The data
#
# [O*NET](https://www.onetcenter.org) describes the occupations of the United States. For each occupation it lists the titles that people
# in it use. The next cell uses O*NET 28.1 if it is in the workspace, in the folder that `JOBMAJOR_DATA` names, or can be downloaded; else the
# starter titles that come with this package. Those show how everything works, but are not for real use.
#
# > O*NET's database is by the U.S. Department of Labor, Employment and Training Administration (USDOL/ETA), under the
# > [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/) license. O*NET® is a trademark of USDOL/ETA, which has not
# > approved, endorsed, or tested what is made of it here.

# %% id="data"
found = source.resolve("auto", Path(".jobmajor"))
release = onet.read(found.folder)
print(found.notice or f"O*NET {found.release}")
print(f"{len(release.occupations):,} occupations, {len(release.titles):,} titles")
release.titles.sample(5, seed=1)

# %% [markdown] id="groups-words"
# How many titles has each of the 23 major groups? Remember the differences when you read an average: a model can do well on average and fail a
# small group.

# %% id="groups"
titles = release.titles.with_columns(group=pl.col("onet_code").str.head(2) + "-0000")
tutorial.bars(dict(titles["group"].value_counts().iter_rows()), "titles in each major group")

# %% [markdown] id="lengths-words"
# Titles are short: two or three words. So each word counts, and a typing error costs more than in a long text.

# %% id="lengths"
tutorial.histogram(titles["title"].str.split(" ").list.len().to_list(), "words in a title", "words")

# %% [markdown] id="ambiguous-words"
# Some titles stand under several occupations. No model can be right for all rows of such a title. In O*NET, one row in seven has a
# title of several major groups; the starter titles have hardly any. (The next cell counts each distinct title once, so its share is
# lower.)

# %% id="ambiguous"
by_title = titles.group_by(pl.col("title").str.to_lowercase()).agg(groups=pl.col("group").n_unique())
print(f"{(by_title['groups'] > 1).mean():.1%} of the distinct titles are in several major groups")
by_title.sort("groups", "title", descending=[True, False]).head()

# %% [markdown] id="taxonomy-words"
# ## The taxonomy, digit by digit
#
# The codes are those of the Standard Occupational Classification (SOC 2018), which has four levels. Take *Neurodiagnostic
# Technologists*, number 01 of 29-2099 in O*NET:
#
# | digits | level | what they mean |
# | --- | --- | --- |
# | **29**-2099.01 | major group | health care practitioners and technical occupations |
# | 29-**2**099.01 | minor group | health technologists and technicians |
# | 29-2**09**9.01 | broad occupation | miscellaneous health technologists and technicians |
# | 29-209**9**.01 | detailed occupation | 9: all that have no code of their own |
# | 29-2099.**01** | O*NET's own | the first occupation that O*NET distinguishes within it; .00 is the detailed occupation itself |
#
# *Can I read the parent of a code from its digits?* Not always: some minor groups, such as 15-1200, don't end in three zeros. Ask
# `soc.ancestor`, which looks it up.

# %% id="taxonomy"
for level in soc.LEVELS:
    code = soc.ancestor("29-2099", level)
    print(f"{level:9} {len(soc.codes(level)):4} codes  {code}  {soc.name(code)}")

# %% [markdown] id="split-words"
# ## Split without leaks
#
# A test is worth something only if the model has not seen its titles. First do what most people do: draw one row in ten by chance as the
# test, and train a usual baseline, TF-IDF of runs of letters with a linear SVM.

# %% id="naive"
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC


def fit(train):
    model = make_pipeline(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5)), LinearSVC(C=0.4, random_state=0))
    return model.fit(train["title"].to_list(), train["code"].str.head(2).to_list())


def right(model, test):
    return model.score(test["title"].to_list(), test["code"].str.head(2).to_list())


rows = examples.build(release)
kept, drawn = train_test_split(rows, test_size=0.1, random_state=2140)
naive = right(fit(kept), drawn)
print(f"drawn by chance: {naive:.3f} of the major groups are right")

# %% [markdown] id="families-words"
# Now keep all forms of a title together. A *family* is all titles with the same set of words, and all forms that are made from one
# row, such as a title and its short form. A family goes to one split as a whole.

# %% id="families"
parts = prepare.split(rows, Split())
svm = fit(parts["train"])
honest = right(svm, parts["test"])
print({name: len(part) for name, part in parts.items()})
print(f"families kept together: {honest:.3f}, and not {naive:.3f}")

# %% [markdown] id="leak-words"
# The model is the same. The first test claimed too much, because many of its titles were in training in another form.
# More: [splits without leaks](../docs/concepts/splits.md).

# %% [markdown] id="exercise-1"
# **Exercise 1.** How many rows of the naive test, `drawn`, have a title whose words stand in its training, `kept`?
# `jobmajor.titles.family_key` gives the set of words. Try it before you read the solution.

# %% id="solution-1"
from jobmajor.titles import family_key

known = {family_key(title) for title in kept["title"]}
leaked = [title for title in drawn["title"] if family_key(title) in known]
print(f"{len(leaked)} of {len(drawn)} test rows, such as {leaked[0]!r}")

# %% [markdown] id="train-words"
# ## Train
#
# jobmajor's linear model blends three parts: linear models of the major groups, counts of words for each detailed code, and a small
# neural network over word vectors. It learns from the training split, plus titles of the SOC itself and phrases of O*NET's
# descriptions. On the validation split, it then fits the weight of each part, so that scores come true: of 100 answers with a score
# of 0.9, about 90 are right. There it also chooses the score below which it *abstains*, which means that a person should look.

# %% id="train"
from jobmajor.model import thresholds

parts = prepare.prepare(release, Split())  # the same split, with the added titles
model = thresholds.fit(parts["train"], parts["validation"], Linear())
model

# %% [markdown] id="evaluate-words"
# ## Evaluate
#
# First one number: the share of right major groups, for both models on the same rows. The filter keeps the titles as O*NET writes
# them, without the forms made from them. The pictures after it show what is behind that number.

# %% id="evaluate"
from jobmajor.evaluation import judged

test = parts["test"].filter(pl.col("source") == "alternate")
answers = model.predict_proba(test["title"]), model.classes()
result = judged.judge(test, answers, judged.all_classes(test, model.classes()))
print(f"jobmajor {result.correct.mean():.3f}, the baseline {right(svm, test):.3f}, on {len(test):,} rows")

# %% [markdown] id="confusion-words"
# Which groups are taken for which? Each row is a true group. A dark cell beside the diagonal is a frequent mistake.

# %% id="confusion"
tutorial.confusion(result)

# %% [markdown] id="reliability-words"
# Do scores come true? Each point is a tenth of the answers. On the diagonal, answers with a score of 0.8 are right 8 times in 10.

# %% id="reliability"
tutorial.reliability(result)

# %% [markdown] id="coverage-words"
# What do you get if you accept only answers above a score? Further right, fewer answers are accepted, and more of them are right. A
# person looks at the rest. The model chose its own threshold on validation, for at least 95 % right.

# %% id="coverage"
tutorial.coverage(result)

# %% [markdown] id="mistakes-words"
# ## Look at mistakes
#
# The most instructive ones are those that the model is sure of.

# %% id="mistakes"
wrong = test.select("title", "code").with_columns(
    answer=pl.Series([result.classes[column] for column in result.predicted]),
    score=pl.Series(result.confidence),
    right=pl.Series(result.correct),
)
wrong.filter(~pl.col("right")).sort("score", descending=True).drop("right").head(8)

# %% [markdown] id="explain-words"
# Why does a title get its code? Each word has a *worth*: what it adds to the score, or takes from it. The score of a title without
# words and all worths add up to the score of the title.

# %% id="explain"
why = model.explain("Sr. RN – ICU")
print(f"{why.name}: {why.score:.3f}")
for word in why.words:
    print(f"{word.text:12} {word.worth:+.3f}")

# %% [markdown] id="own-words"
# ## Code titles of your own
#
# Replace these ten by titles that you know. "sw eng", "asdfgh" and an empty title are there on purpose.

# %% id="own"
own = ["licensed practical nurse", "sw eng", "Sr. Welder", "line cook", "CPA", "truck drivr"]
own += ["Genius Bar lead", "supervisor", "asdfgh", ""]
for title, coded in zip(own, model.answer(own), strict=True):
    best = coded.answers[0]
    print(f"{title:26} {best.label:8} {best.score:.2f}  {coded.reason or best.name}")

# %% [markdown] id="file-words"
# A file keeps its rows and columns, and gets new columns beside them. From the command line, `jobmajor classify --input` does the same.

# %% id="file"
import jobmajor

(WORK / "titles.csv").write_text("id,title\n007,ICU nurse\n008,sw eng II\n009,asdfgh\n", "utf-8")
summary = jobmajor.code_file(WORK / "titles.csv", WORK / "coded.csv", model=model)
print((WORK / "coded.csv").read_text("utf-8"))

# %% [markdown] id="exercise-2"
# **Exercise 2.** Ask for the detailed occupation instead of the major group. How many of the ten are still sure, and what do you do
# with the others? `jobmajor.deepest` may help: it answers at the finest level that is still sure.

# %% id="solution-2"
sure = [not coded.abstain for coded in model.answer(own, "detailed")]
print(sum(sure), "of", len(own), "are sure at the detailed level")
for title, coded in zip(own, jobmajor.deepest(model).answer(own), strict=True):
    print(f"{title:26} {coded.level or 'a person looks':15} {coded.answers[0].name}")

# %% [markdown] id="part-1-end"
# You have a model, and you know what it is worth. Save it with `model.save(folder)`, and use it with `jobmajor classify --model folder`. What is
# missing is everything around it: who trains it next month, who decides that the new one is better, and how do you notice that titles changed?

# %% [markdown] id="part-2"
# # Part 2: a pipeline
#
# **Why do scripts become steps?** The cells of part 1 depend on what ran before, on this machine and on you. A step has named
# inputs and outputs and nothing else. So it can be repeated, its result can be reused, it can run on another machine, and somebody
# can see later what was done. This part does that on your machine, and needs no account. It also runs in SageMaker Studio. A step
# expects its files below `/opt/ml`, as in a SageMaker container; where Linux does not allow that (no user namespaces), the variable
# `SAGELOCAL_ML_ROOT` tells it another folder.
#
# The next cell makes a *workspace* for this part: a folder for its data, runs and models, so that nothing here touches another one.
# `refit` is off to save time: normally, a model that passed is trained once more on all rows.

# %% id="part-2-setup"
import json
import os
import shutil
import sys
from pathlib import Path

from jobmajor import tutorial

WORK = Path(".jobmajor/start-here/part-2").absolute()
shutil.rmtree(WORK, ignore_errors=True)
WORK.mkdir(parents=True)
(WORK / "first.toml").write_text("[train]\nrefit = false\n", "utf-8")
(WORK / "second.toml").write_text("[train]\nrefit = false\n\n[linear]\npenalty = 0.9\n", "utf-8")
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ |= {"WORK": str(WORK), "JOBMAJOR_HOME": str(WORK / "home"), "RELEASE": "auto"}

# %% [markdown] id="definition-words"
# ## The definition is data
#
# A pipeline definition is a JSON document. Equal settings give equal bytes, and SageMaker gets exactly the bytes that run here.

# %% id="definition"
from jobmajor import settings
from jobmajor.pipeline import definition

body = definition.to_bytes(settings.read(WORK / "first.toml"))
for step in json.loads(body)["Steps"]:
    print(f"{step['Type']:14} {step['Name']}")

# %% [markdown] id="diagram-words"
# Which step waits for which? The picture is drawn from the same bytes.

# %% id="diagram"
from IPython.display import SVG

from sagelocal.definition import parse
from sagelocal.show import drawing

SVG(drawing.svg(parse.parse(body), "first"))

# %% [markdown] id="first-words"
# ## Run it

# %% id="first" language="bash"
# jobmajor run --release $RELEASE --settings "$WORK/first.toml"

# %% [markdown] id="report-words"
# The run wrote a report. Open it: one file, with the pictures of part 1 and more.

# %% id="report"
from IPython.display import FileLink

reports = sorted((WORK / "home").glob("s3/**/report.html"))
FileLink(reports[-1].relative_to(Path.cwd())) if reports else print("no report: look at what the run said")

# %% [markdown] id="second-words"
# ## Change a number, and see what is cached
#
# The second settings differ in one number, `penalty`. The data and its split are the same, so that step comes from the cache. The new model is
# evaluated on the same rows as the champion, the model in use. `--no-promote` keeps it a candidate until somebody decides.

# %% id="second" language="bash"
# jobmajor run --release $RELEASE --settings "$WORK/second.toml" --no-promote

# %% [markdown] id="gate-words"
# ## A gate that says no
#
# A gate stands before the registry: the model's weighted F1 must exceed a threshold, and more than ten other checks must hold
# ([gates](../docs/concepts/gates.md)). Ask for more than it can reach. Nothing is trained again, because the threshold is no input
# of the training. The command ends with status 1, and the champion stays.

# %% id="gate" language="bash"
# jobmajor run --release $RELEASE --settings "$WORK/first.toml" --threshold 0.99 || echo "status $?: the answer is no"

# %% [markdown] id="registry-words"
# ## Registry, promotion and rollback
#
# Each model that passed is a version, with its figures, the gate's decision and its *lineage*: the data, settings and code that it
# was made from. `promote` makes a version the champion, and refuses one whose decision is no. A version that passed but is
# certainly worse in some part, such as one group, waits for a person, who promotes it with a reason. `rollback` makes the previous
# champion the champion again.

# %% id="registry" language="bash"
# jobmajor models list
# jobmajor models promote 2 --reason "to see how it is done"
# jobmajor models rollback
# jobmajor models list

# %% [markdown] id="compare-words"
# *Is the second one better?* Its decision has every check of the gate, and the last ones compare it with the champion on the same
# rows. A check marked `no rows` neither passed nor failed; its reason says why. The report of the run has an interval of the
# difference: if it contains 0, chance alone may explain the difference.

# %% id="compare"
import subprocess

shown = json.loads(subprocess.check_output([sys.executable, "-m", "jobmajor", "models", "show", "2", "--json"]))
for check in shown["decision"]["checks"]:
    said = {True: "passed", False: "failed", None: "no rows"}[check["passed"]]
    print(f"{said}  {check['name']}: {check['reason']}")

# %% [markdown] id="serve-words"
# ## Serve
#
# The service answers with the champion, and takes over a new champion while it runs. The next cell starts it, asks four titles, and ends it. On
# the command line, `jobmajor serve` starts it with a web page.

# %% id="serve"
asked = ["licensed practical nurse", "sw eng", "Sr. Welder", "asdfgh"]
with tutorial.service() as address:
    answers = tutorial.ask(address, asked)
for title, (best, *_) in zip(asked, answers, strict=True):
    print(f"{title:25} {best['label']:8} {best['score']:.3f}  {best['name']}")

# %% [markdown] id="watch-words"
# ## Watch
#
# Titles change: another client, another season, another form. `monitor check` compares a period with the reference, an earlier
# period that you accepted. It ends with status 1 if something changed by more than chance. The next cell makes two months that
# differ in one thing: in November, a third of the rows are from food service.

# %% id="months"
import polars as pl

from jobmajor.data import onet, source

titles = onet.read(source.resolve("auto", WORK / "home").folder).titles
food = titles.filter(pl.col("onet_code").str.head(2) == "35").sample(700, seed=2, with_replacement=True)
titles.sample(2000, seed=0).select("title").write_csv(WORK / "october.csv")
pl.concat([titles.sample(1300, seed=1), food]).select("title").write_csv(WORK / "november.csv")

# %% id="watch" language="bash"
# jobmajor monitor baseline "$WORK/october.csv" --output "$WORK/reference.json"
# jobmajor monitor check "$WORK/november.csv" --against "$WORK/reference.json" --output "$WORK/monitor" || echo "status $?: something changed"

# %% [markdown] id="retrain-words"
# ## Retrain
#
# People looked at the titles that the model was unsure of, and gave them codes. The next run learns them; the setting
# `linear.reviewed` is their weight. A reviewed title with the same words as a title of validation or test is left out of training,
# so that the test stays honest. The new model has to pass the gate and the comparison like any other.

# %% id="reviewed"
rows = [("Genius Bar lead", "15-1232"), ("crew member drive thru", "35-3023"), ("barista shift lead", "35-1012")]
pl.DataFrame(rows, schema=["title", "code"], orient="row").write_csv(WORK / "reviewed.csv")

# %% id="retrain" language="bash"
# jobmajor run --release $RELEASE --settings "$WORK/first.toml" --reviewed "$WORK/reviewed.csv"
# jobmajor classify "Genius Bar lead" --level detailed

# %% [markdown] id="retrain-more"
# *Why is it still unsure?* Your title is one example among thousands. If you are certain, put it on your own list:
# `--overrides FILE` answers such titles for sure ([how](../docs/how-to/titles/answer-from-your-own-list-first.md)).

# %% [markdown] id="exercise-3"
# **Exercise 3.** Which versions are there now, and which one is the champion? Make the first one the champion again, and check that
# its files have not changed since it was registered.

# %% id="solution-3" language="bash"
# jobmajor models promote 1
# jobmajor models list
# jobmajor models verify 1

# %% [markdown] id="part-3"
# # Part 3: SageMaker
#
# This part brings the pipeline to AWS, as a repository: each push builds the image and runs the pipeline. One variable, `WHERE`,
# says where all of it happens. `"here"` needs no account and no network: a server on this machine
# ([moto](https://docs.getmoto.org)) simulates AWS, and `sagelocal` runs the pipeline. The first line of every code cell says what
# is real and what is simulated with `"here"`. No result is simulated: the model is trained and its figures are computed.
#
# ## 1. Prerequisites: account and costs first
#
# **Here**: `git`, and the extra `tutorial`. **On AWS**: an account with a SageMaker domain, the stack that an administrator
# creates, and a role with the policy that `jobmajor aws policy --for notebook` prints: [before the first
# command](../docs/before-aws.md). Write your region into `jobmajor.toml`, and your GitHub repository with its connection if you
# have one ([settings](../docs/reference.md#settings)). Then change `WHERE` in the next cell; otherwise leave it:

# %% id="where"
# Real here: all that is computed. Simulated: the account, nothing else.
import os
import shutil
import sys
from pathlib import Path

WHERE = "here"  # or "aws": your own account, which pays for what runs there

HERE = WHERE == "here"
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ.pop("JOBMAJOR_HOME", None)  # of part 2

# %% [markdown] id="costs-words"
# What does it cost? With `--dry-run`, each command prints its requests and their price, and sends nothing.

# %% id="costs" language="bash"
# # Real here: the plan and its price, from a dated table. Simulated: nothing; nobody is asked.
# jobmajor aws pipeline start --dry-run | sed -n '/^cost in/,$p'

# %% [markdown] id="studio"
# ## 2. Open Studio, and this notebook
#
# On AWS: SageMaker Studio → JupyterLab → a space on `ml.t3.medium` → *Git* → *Clone a Repository* → `notebooks/Start Here.ipynb`.
# The tutorial of 2024 that this project completes (below: *the tutorial*) used Studio Classic with the image *Data Science 3.0*,
# whose Python is too old; choose one with Python 3.11 or later. What else has changed, and today's way of each step, is in [What
# changed since the tutorial](../docs/changed.md).

# %% id="studio-check"
# Real here: this Python, its programs, a folder for all that is made. Simulated: Studio.
from jobmajor import tutorial

WORK = Path(".jobmajor/start-here/part-3").absolute()
if HERE:
    shutil.rmtree(WORK, ignore_errors=True)  # what an earlier rehearsal left
WORK.mkdir(parents=True, exist_ok=True)
for program in ("python", "jobmajor", "git", "bash"):
    print(f"{program:9} {'is there' if shutil.which(program) else 'is missing'}")

# %% [markdown] id="setup"
# ## 3. Set-up and constants
#
# The simulated AWS listens on this machine only, keeps everything in memory, and ends with this notebook. From here on, `boto3` and
# `jobmajor aws …` talk to it instead of AWS. The next cell removes your AWS credentials from the environment, so nothing in this notebook can
# reach an account.

# %% id="stand-in"
# Real here: the requests that are sent. Simulated: AWS, by moto's server.
if HERE:
    stand_in = tutorial.simulate_aws()
    print("AWS is simulated at", stand_in.address)

# %% id="account"
# Real here: the requests. Simulated: the account, and its number.
from jobmajor import settings as all_settings
from jobmajor.aws.api import account as calls
from jobmajor.aws.names import Names

settings = all_settings.read()
account = calls.connect(settings.aws.region or None, expected_account=settings.aws.account or None, tell=print)
names = Names.of(settings, account.region, account.account_id)
os.environ |= {"ACCOUNT": account.account_id, "AWS_REGION": account.region}

# %% [markdown] id="constants-words"
# All names are derived from the settings: the bucket and its prefix, the S3 addresses below it (`input`, `train`, `validation`,
# `test`, `baseline`, `evaluation`, `prediction_baseline`, `output`), and the names of the pipeline, model, model package group (the
# model's part of SageMaker's registry), endpoint configuration and endpoint. Processing runs on `ml.c5.xlarge`, training on one
# `ml.m5.xlarge`.

# %% id="constants" language="bash"
# # Real here: the names, made from the settings. Simulated: nothing; nobody is asked.
# jobmajor aws show --account "$ACCOUNT"

# %% [markdown] id="bootstrap-words"
# Before its first run, the project needs one CloudFormation stack: a private bucket, roles, an image repository, alarms. moto can't create all
# of it, so here the next cell creates only the bucket and the model package group. `jobmajor aws bootstrap --dry-run` prints the whole stack.

# %% id="bootstrap"
# Real here: two requests. Simulated: bucket and group; the stack's roles and alarms are left out.
from jobmajor.aws.project import stack

if HERE:
    account.change("s3", "CreateBucket", Bucket=names.bucket)
    account.change("sagemaker", "CreateModelPackageGroup", ModelPackageGroupName=names.group, Tags=names.tags)
else:
    print(stack.bootstrap(account, names).outputs)

# %% [markdown] id="upload"
# ## 4. Upload to S3, unless it is there
#
# The pipeline reads O*NET's *Alternate Titles* and *Occupation Data*, the tables of part 1. The S3 address contains a digest of the files. So files are
# never sent twice, and the cache of the pipeline, which compares addresses only, notices every change of the data.

# %% id="upload-code" language="bash"
# # Real here: the upload, its checksums. Simulated: S3.
# jobmajor aws upload

# %% id="upload-again"
# Real here: the comparison with what is there. Simulated: S3.
from jobmajor.aws.executions import upload
from jobmajor.data import source

found = source.resolve("auto", all_settings.home())
uploaded = upload.release(account, names, found)
print(f"{len(uploaded.sent)} sent, {len(uploaded.skipped)} were there: {uploaded.uri}")

# %% [markdown] id="project"
# ## 5. Create the MLOps project
#
# A SageMaker *project* is a repository with a build that runs at each push; a template makes both. The tutorial finds the product
# *MLOps template for model building and training* of *Amazon SageMaker* in the Service Catalog (none or several are an error),
# takes its newest version with guidance DEFAULT, creates the project, and waits until its status is `CreateCompleted`. We recommend
# our own template in S3 instead. It is used if `aws.github` and `aws.connection` are set.
#
# With the tutorial's way, the command reads which parameters the template requires and refuses a missing one by its name; give it
# with `-p NAME=VALUE`. With ours, a person has to approve the connection to GitHub once: `jobmajor aws project connect` waits for
# that. If your account doesn't offer something, you see AWS's own answer. You don't need SageMaker's Python SDK, whose version 3
# has other imports than the tutorial's version 2.

# %% id="project-code"
# Real here: the choice. Simulated: nothing.
os.environ["DRY_RUN"] = "--dry-run" if HERE else ""
os.environ["WAY"] = "" if settings.aws.github else "--catalog"

# %% id="project-create" language="bash"
# # Real here: the requests as they would be sent, checked. Simulated: their answers; no project is made.
# jobmajor aws project create $WAY $DRY_RUN

# %% [markdown] id="clone"
# ## 6. Clone the project's code
#
# On AWS, a project has a repository, which Studio shows under *Home → Deployments → Projects → Repositories*.

# %% id="repository"
# Real here: a folder. Simulated: the repository's address.
address = str(WORK / "project.git") if HERE else tutorial.repository(account, names, settings.aws.github)
os.environ |= {"WHERE": WHERE, "WORK": str(WORK), "CLONE": str(WORK / "project"), "REPOSITORY": address}
if HERE:
    os.environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    os.environ |= {"GIT_AUTHOR_NAME": "You", "GIT_AUTHOR_EMAIL": "you@example.org"}
    os.environ |= {"GIT_COMMITTER_NAME": "You", "GIT_COMMITTER_EMAIL": "you@example.org"}

# %% id="clone-code" language="bash"
# # Real here: git. Simulated: the project's repository, a folder with a few lines of AWS's example.
# if [ "$WHERE" = here ]; then
#   git init --quiet --initial-branch main "$WORK/example"
#   cd "$WORK/example"
#   mkdir -p pipelines/abalone
#   echo "# How old is an abalone? AWS's example." > pipelines/abalone/pipeline.py
#   echo "version: 0.2" > codebuild-buildspec.yml
#   git add --all
#   git commit --quiet --message "AWS's example"
#   git clone --quiet --bare . "$REPOSITORY"
# fi
# git clone --quiet "$REPOSITORY" "$CLONE"
# git -C "$CLONE" ls-files

# %% [markdown] id="replace"
# ## 7. Replace `abalone` by ours
#
# The template's repository contains AWS's example pipeline, `abalone`. The next cell removes it. It adds the folder
# `pipelines/jobmajorclf`, `codebuild-buildspec.yml`, tests, settings, and all sources of this project below `vendor/`, so that no
# build depends on a package that somebody else publishes.

# %% id="replace-code" language="bash"
# # Real here: the files. Simulated: nothing.
# jobmajor aws project seed "$CLONE"
# cd "$CLONE"
# git add --all
# git status --short | grep --invert-match vendor/

# %% [markdown] id="push"
# ## 8. Commit and push: `run-pipeline`
#
# A push starts a build. The build runs the tests, builds the image, and ends like the tutorial's build:
#
# ```bash
# run-pipeline --module-name pipelines.jobmajorclf.pipeline --role-arn … --tags … --kwargs '{"region": …, "image_uri": …}'
# ```
#
# This command sends the definition to SageMaker and starts an execution.

# %% id="push-code" language="bash"
# # Real here: git. Simulated: where it is pushed to.
# cd "$CLONE"
# git commit --quiet --message "Classify job titles instead"
# git push --quiet
# git log --oneline

# %% id="build" language="bash"
# # Real here: tests and definition, as the build makes them. Simulated: the machine that builds; no image is built.
# cd "$CLONE"
# python -m unittest discover --start-directory tests
# python -m pipelines.jobmajorclf.pipeline definition --file-name "$WORK/definition.json"

# %% id="upsert"
# Real here: the definition's bytes, sent and kept. Simulated: SageMaker, which would start them; sagelocal does, below.
from datetime import UTC, datetime

from jobmajor.aws.executions import pipeline

pushed = datetime.now(UTC)
if HERE:
    print(pipeline.upsert(account, names, (WORK / "definition.json").read_bytes()))

# %% [markdown] id="watch-aws"
# ## 9. Watch the pipeline
#
# Here, `sagelocal` takes the definition that the simulated account stores, and runs every step as SageMaker would: it starts the step's command
# in a process, copies the step's files from S3 and back, and puts the version into the registry. On AWS, the cell waits for the execution that
# the build starts; Studio shows its diagram. This may take two minutes.

# %% id="run"
# Real here: every job, its files and figures. Simulated: S3 and the registry; the image is this environment.
if HERE:
    threshold = settings.thresholds.starter if found.release == "starter" else settings.thresholds.onet
    status = tutorial.run_stored(account, names, WORK, threshold)
else:
    status = tutorial.watch(account, names, pushed)
status

# %% [markdown] id="registry-words-aws"
# ## 10. The model in the registry, and its approval
#
# `jobmajor run` of part 2 promoted a version that passed. On AWS, the pipeline registers it as `PendingManualApproval`, and a
# person has to approve it before it can be deployed.

# %% id="registry-code" language="bash"
# # Real here: the version, its figures, the gate's decision. Simulated: the registry that keeps them.
# jobmajor aws models list

# %% id="report-aws"
# Real here: the report and its figures. Simulated: S3, where it is fetched from.
from IPython.display import FileLink

from jobmajor.aws.registry import PackageGroup
from jobmajor.errors import InputError
from sagelocal.storage import object_store

group = PackageGroup(account, names)
version = group.candidate()
if version is None:
    raise InputError("no version waits for approval: run the pipeline above again, or see `jobmajor aws models list`")
store = object_store.connect(region=account.region)
store.download(version.evaluation_url.rpartition("/")[0], WORK / "evaluation")
figures = version.metrics
print(f"version {version.number}: weighted F1 {figures['test_f1']:.4f}, accuracy {figures['test_accuracy']:.4f}")
FileLink((WORK / "evaluation/report.html").relative_to(Path.cwd()))

# %% [markdown] id="approve-words"
# Read the report, then approve the version. You can't approve a version that the gate refused.

# %% id="approve"
# Real here: the check of the decision. Simulated: the registry.
group.approve(version.number, "looked at the report").status

# %% [markdown] id="deploy"
# ## 11. Deploy to an endpoint
#
# The plan says what would be created and what it costs. A *stage* is an endpoint: `staging` to try a version, `production` for your
# users. Production needs a person's approval (`jobmajor aws approve-deployment`). `jobmajor aws rollback` returns to the previous
# version.

# %% id="deploy-code"
# Real here: the number of the approved version. Simulated: the registry.
champion = group.champion()
if champion is None:
    raise InputError("no version is approved: approve one above")
os.environ["VERSION"] = str(champion.number)

# %% id="deploy-run" language="bash"
# # Real here: the requests as they would be sent, and their price. Simulated: their answers; no endpoint is made.
# jobmajor aws deploy $VERSION --mode serverless --stage staging $DRY_RUN

# %% [markdown] id="ask-words"
# ## 12. Invoke it
#
# An endpoint runs the image's `serve`. Here, the same service runs on this machine, with the model from the registry.

# %% id="ask"
# Real here: the model's answers, by the endpoint's own service. Simulated: the machine that it would run on.
from jobmajor.aws.endpoints import invocation

asked = ["licensed practical nurse", "sw eng", "Sr. Welder", "asdfgh"]
if HERE:
    store.download(champion.model_url, WORK / "model")
    with tutorial.service(WORK / "model/model.tar.gz") as address:
        answers = tutorial.ask(address, asked)
else:
    answers = invocation.invoke(account, names, "staging", asked)["predictions"]
for title, (best, *_) in zip(asked, answers, strict=True):
    print(f"{title:25} {best['label']:8} {best['score']:.3f}  {best['name']}")

# %% [markdown] id="monitor-aws"
# ## 13. Monitor it
#
# A real-time endpoint captures its requests and answers below the project's prefix (`--capture-percent`). `jobmajor aws capture` downloads those of a
# period, and `jobmajor monitor check` compares them as in part 2 ([how](../docs/operate.md#watch-an-endpoint)). The stack's alarms watch errors and
# latency ([every alarm](../docs/aws-calls.md)).

# %% id="monitor-plan" language="bash"
# # Real here: what a real-time endpoint would capture, and where. Simulated: nothing is created or asked.
# jobmajor aws deploy $VERSION --stage staging --dry-run | grep --ignore-case capture

# %% [markdown] id="exercise-4"
# **Exercise 4.** What may the role of this notebook do? Print the policy of only those commands that approve and deploy, and count its
# statements.

# %% id="solution-4" language="bash"
# # Real here: the policy. Simulated: nothing; nobody is asked.
# jobmajor aws policy -c models -c deploy --account "$ACCOUNT" > "$WORK/policy.json"
# grep --count '"Effect"' "$WORK/policy.json"

# %% [markdown] id="end"
# ## 14. Back to no bill
#
# Here, the next cell ends the simulated AWS, and everything in it is gone; the files of the run stay in `.jobmajor/start-here`. In an account,
# `jobmajor aws delete --stage staging --yes` deletes the endpoint. `jobmajor aws cleanup` lists everything that carries the project's tag, and with
# `--yes` deletes it, data and models included.

# %% id="end-code"
# Real here: the end of the server. Simulated: nothing.
if HERE:
    print("the stand-in ended with status", stand_in.end())
else:
    print("this still runs, and costs: jobmajor aws delete --stage staging --yes, then jobmajor aws cleanup")
