"""The normaliser: how a title is cleaned, for training, serving, batch and monitoring alike.

If other code cleaned titles, too, the model would see text in production that it was not trained on.
"""

from __future__ import annotations

import re
import unicodedata

from jobmajor.arguments import shown
from jobmajor.errors import InputError

_NOT_TEXT = frozenset({"Mn", "Me", "Cf", "Cs"})  # accents, zero-width characters, lone surrogates
_APOSTROPHES = re.compile("['’‘ʼ`´′]")
_SPELLED_OUT = (
    (re.compile(r"&"), " and "),
    (re.compile(r"\bc\+\+"), " cplusplus "),
    (re.compile(r"\bc#"), " csharp "),
    (re.compile(r"(?<!\w)\.net\b"), " dotnet "),
)
_BETWEEN_WORDS = re.compile(r"[\W_]+")
_RANK = re.compile(r"^(?:(?:senior|junior) )+(?=\S)|(?<=\S)(?: (?:senior|junior|i{1,3}|iv|v|[1-5]))+$")
# Each means one thing wherever it occurs; "tech", "admin" and "acct" have several meanings, so they stay as they are.
# "_" stands for a blank.
_ABBREVIATIONS = """
    acctg=accounting acctnt=accountant adminr=administrator adminstr=administrator admnr=administrator
    admr=administrator anlst=analyst anlyst=analyst assoc=associate asst=assistant attnd=attendant attndt=attendant
    atty=attorney avp=assistant_vice_president bkpr=bookkeeper bldg=building bldgs=buildings capt=captain civ=civil
    clk=clerk clrk=clerk cncl=council cnslr=counselor cnstr=construction comml=commercial constr=construction
    coord=coordinator csr=customer_service_representative cstdn=custodian cust=customer custdn=custodian cvicu=icu
    delv=delivery dept=department devel=development devlpr=developer dir=director distr=distribution div=division
    dpty=deputy econ=economic educ=education elec=electrical elem=elementary emerg=emergency eng=engineer
    engnr=engineer engr=engineer engrg=engineering envir=environmental equip=equipment evp=executive_vice_president
    exec=executive facil=facilities frm=foreman frmn=foreman frt=freight gen=general genl=general govt=government
    hlpr=helper hlth=health hosp=hospital hvy=heavy hw=hardware info=information insp=inspector inspctr=inspector
    instr=instructor instrctr=instructor intl=international investgtr=investigator jr=junior lbr=laborer
    librn=librarian lic=licensed lieut=lieutenant lndscp=landscape maint=maintenance maintn=maintenance
    mech=mechanic mfg=manufacturing mgmnt=management mgmt=management mgr=manager mgt=management micu=icu
    mktg=marketing ml=machine_learning mngmt=management mngr=manager mntnc=maintenance mtce=maintenance
    mtnce=maintenance munic=municipal natl=national nrs=nurse nrsng=nursing nurs=nurse occup=occupational ofc=office
    ofcr=officer offcr=officer oper=operator opns=operations opr=operator oprtr=operator ops=operations
    optr=operator pgm=program pgmr=programmer plmbr=plumber plng=planning prgm=program prgmr=programmer
    princ=principal prof=professor progmr=programmer proj=project prot=protection psychol=psychologist
    purch=purchasing recep=receptionist recpt=receptionist regl=regional rep=representative repr=representative
    rsch=research sch=school secty=secretary secy=secretary sgt=sergeant sicu=icu snr=senior spcl=special
    spclst=specialist spclt=specialist spec=specialist spvr=supervisor spvsr=supervisor sr=senior
    sre=site_reliability_engineer stdnt=student subst=substitute supr=supervisor suprv=supervisor
    supt=superintendent supv=supervisor supvr=supervisor supvsr=supervisor svc=service svcs=services
    svp=senior_vice_president sw=software sys=systems tchr=teacher tchrs=teachers techn=technician
    transp=transportation trk=truck trng=training trnr=trainer univ=university veh=vehicle vp=vice_president
    whse=warehouse wkr=worker wkrs=workers wrkr=worker
"""
# British words and spellings, of which O*NET has the American ones. "solicitor", "chemist" and "fitter" mean something
# else in America, so they stay as they are.
_BRITISH = """
    aeroplane=airplane aluminium=aluminum anaesthesia=anesthesia anaesthetic=anesthesia
    anaesthetist=anesthesiologist archaeology=archeology armour=armor behaviour=behavior behavioural=behavioral
    catalogue=catalog centre=center colour=color colourist=colorist counselling=counseling counsellor=counselor
    counsellors=counselors defence=defense draughtsman=drafter draughtsmen=drafters fibre=fiber
    fibreglass=fiberglass fuelling=fueling gynaecologist=gynecologist gynaecology=gynecology
    haematologist=hematologist haematology=hematology harbour=harbor ict=it jeweller=jeweler jewellery=jewelry
    labelling=labeling labour=labor labourer=laborer labourers=laborers licence=license lorry=truck metre=meter
    modelling=modeling mould=mold moulder=molder moulding=molding neighbourhood=neighborhood operative=operator
    operatives=operators optimisation=optimization organisation=organization organisational=organizational
    organiser=organizer orthopaedic=orthopedic orthopaedics=orthopedics paediatric=pediatric
    paediatrician=pediatrician paediatrics=pediatrics parlour=parlor physio=physical_therapist
    physiotherapist=physical_therapist physiotherapists=physical_therapists physiotherapy=physical_therapy
    plough=plow programme=program programmes=programs signaller=signaler signalling=signaling
    specialised=specialized speciality=specialty stabiliser=stabilizer theatre=theater traveller=traveler
    travelling=traveling tunnelling=tunneling tyre=tire utilisation=utilization vapour=vapor
    visualisation=visualization windscreen=windshield woollen=woolen
"""
# Forms for women and men name one occupation: each is replaced by the form that is more frequent in O*NET.
_FORMS = """
    actress=actor actresses=actors authoress=author aviatrix=aviator barmaid=barman busgirl=busboy chairlady=chairman
    comedienne=comedian conductress=conductor cowgirl=cowboy danseuse=dancer deaconess=deacon directress=director
    forelady=foreman headmistress=headmaster heiress=heir hostess=host hostesses=hosts huntress=hunter
    instructress=instructor landlady=landlord manageress=manager masseuse=masseur poetess=poet
    postmistress=postmaster priestess=priest proprietress=proprietor saleslady=salesman sculptress=sculptor
    seamster=seamstress stewardess=steward stewardesses=stewards usherette=usher waitperson=waiter waitress=waiter
    waitresses=waiters
"""
WORDS = {  # each word and its replacement
    word: meant.replace("_", " ")
    for word, meant in (pair.split("=") for pair in (_ABBREVIATIONS + _BRITISH + _FORMS).split())
}
TITLES = {  # whole titles only: a "locomotive fireman" is another occupation, and an "AP teacher" teaches
    "fireman": "firefighter",
    "ap specialist": "accounts payable specialist",
    "ap clerk": "accounts payable clerk",
    "ar specialist": "accounts receivable specialist",
    "ar clerk": "accounts receivable clerk",
    "ap ar specialist": "accounts payable and accounts receivable specialist",
    "ap ar clerk": "accounts payable and accounts receivable clerk",
    "ar ap specialist": "accounts payable and accounts receivable specialist",
    "ar ap clerk": "accounts payable and accounts receivable clerk",
    "construction labor": "construction laborer",
    "day labor": "day laborer",
    "factory labor": "factory laborer",
    "farm labor": "farm laborer",
    "general labor": "general laborer",
    "landscape labor": "landscape laborer",
    "manual labor": "manual laborer",
    "production labor": "production laborer",
    "skilled labor": "skilled laborer",
    "unskilled labor": "unskilled laborer",
    "warehouse labor": "warehouse laborer",
    "gp": "general practitioner",
    "estate agent": "real estate agent",
    "bin man": "garbage collector",
    "binman": "garbage collector",
    "dustman": "garbage collector",
    "refuse collector": "garbage collector",
}
_plain = [False]
_TITLE, _OCCUPATION = re.compile(r"\b(?:job )?title(s?)\b"), re.compile(r"\boccupation(s?)\b")
_ONE_PERSON = re.compile(r"(?:wo)*(?:woman|person)$")
_PEOPLE = re.compile(r"(?:wo)*(?:women|persons|people)$")
_SEVERAL = frozenset({"persons", "people"})  # stay as they are if they are whole words, as in "service people"


def use_plain(*, is_plain: bool) -> None:
    """Tell the whole process whether texts are no job titles: their words then stay as they are written.

    `soc.use` calls this for the classification in use.
    """
    _plain[0] = is_plain


def is_plain() -> bool:
    """Tell whether texts are no job titles."""
    return _plain[0]


def said(sentence: str) -> str:
    """Return a sentence about titles and occupations; where texts are no job titles, about texts and labels."""
    if not is_plain():
        return sentence
    return _OCCUPATION.sub(r"label\1", _TITLE.sub(r"text\1", sentence))


def _folded(title: str) -> str:
    """Return the compatibility caseless form (Unicode 3.13, D146) without marks and invisible characters."""
    for _ in range(2):
        title = unicodedata.normalize("NFKD", title).casefold()
    decomposed = unicodedata.normalize("NFKD", title)
    return "".join(sign for sign in decomposed if unicodedata.category(sign) not in _NOT_TEXT)


def normalise(title: str) -> str:
    """Return the title in lower case, without accents, as words between single spaces; empty if it holds no word.

    "&" becomes "and", apostrophes disappear, common abbreviations are written out, "c++", "c#" and ".net" become words,
    and the forms of a word for a woman, a man and a person become one. To clean a title twice changes nothing. Where
    texts are no job titles (`use_plain`), no abbreviation is written out, and no word is replaced.

    >>> normalise("  Sr. R&D Engineer – C++ ")
    'senior r and d engineer cplusplus'
    """
    try:
        text = _APOSTROPHES.sub("", _folded(title))
    except TypeError:
        raise InputError(f"a title is {shown(title)}: expected text") from None
    for pattern, word in _SPELLED_OUT:
        text = pattern.sub(word, text)
    words = _BETWEEN_WORDS.sub(" ", text).split()
    if _plain[0]:
        return " ".join(words)
    text = " ".join(_form(WORDS.get(word, word)) for word in words)
    return TITLES.get(text, text)


def _form(word: str) -> str:
    """Return a word with the ending for a man, the most frequent one in O*NET; "salesperson" becomes "salesman"."""
    if word.endswith(("woman", "person")):
        return _ONE_PERSON.sub("man", word)
    if word.endswith(("women", "persons", "people")) and word not in _SEVERAL:
        return _PEOPLE.sub("men", word)
    return word


def without_rank(text: str) -> str:
    """Return a normalised title without the words of rank, which say how senior somebody is.

    Words of rank are left out at the ends only, and never all words: "senior" alone stays. "senior living director"
    loses a word that means something else, which costs no accuracy (docs/experiments.md).

    >>> without_rank("senior accountant ii")
    'accountant'
    """
    return _RANK.sub("", text)


def family_key(title: str) -> str:
    """Return the set of a title's words as sorted text: titles that share it belong to one family.

    It is frozen: it decides which titles are in the test, so it must not change when `normalise` does. A title without
    any letter or digit is a separate family.

    >>> family_key("Nurse, Registered") == family_key("registered NURSE")
    True
    """
    try:
        words = set(re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", title).lower()))
    except TypeError:
        raise InputError(f"a title is {shown(title)}: expected text") from None
    return " ".join(sorted(words)) or title.strip()
