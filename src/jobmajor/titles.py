"""The normaliser: how a title is cleaned, for training, serving, batch and monitoring alike.

If other code cleaned titles, too, the model would see text in production that it was not trained on.
"""

from __future__ import annotations

import re
import unicodedata

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
# Each means one word wherever it occurs; "tech", "admin" and "acct" have several meanings, so they stay as they are.
_ABBREVIATIONS = """
    sr=senior snr=senior jr=junior asst=assistant coord=coordinator cust=customer dept=department dir=director
    elec=electrical eng=engineer engr=engineer equip=equipment exec=executive govt=government hosp=hospital
    hw=hardware insp=inspector instr=instructor intl=international maint=maintenance mech=mechanic mfg=manufacturing
    mgmt=management mgr=manager mktg=marketing natl=national oper=operator opr=operator prof=professor
    rep=representative spec=specialist supt=superintendent supv=supervisor svc=service svcs=services sw=software
    sys=systems transp=transportation univ=university whse=warehouse wkr=worker
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
WORDS = dict(pair.split("=") for pair in (_ABBREVIATIONS + _FORMS).split())  # each word and its replacement
TITLES = {"fireman": "firefighter"}  # whole titles only: a "locomotive fireman" is another occupation
_ONE_PERSON = re.compile(r"(?:wo)*(?:woman|person)$")
_PEOPLE = re.compile(r"(?:wo)*(?:women|persons|people)$")
_SEVERAL = frozenset({"persons", "people"})  # stay as they are if they are whole words, as in "service people"


def _folded(title: str) -> str:
    """Return the compatibility caseless form (Unicode 3.13, D146) without marks and invisible characters."""
    for _ in range(2):
        title = unicodedata.normalize("NFKD", title).casefold()
    decomposed = unicodedata.normalize("NFKD", title)
    return "".join(sign for sign in decomposed if unicodedata.category(sign) not in _NOT_TEXT)


def normalise(title: str) -> str:
    """Return the title in lower case, without accents, as words between single spaces; empty if it holds no word.

    "&" becomes "and", apostrophes disappear, common abbreviations are written out, "c++", "c#" and ".net" become words,
    and the forms of a word for a woman, a man and a person become one. To clean a title twice changes nothing.

    >>> normalise("  Sr. R&D Engineer – C++ ")
    'senior r and d engineer cplusplus'
    """
    text = _APOSTROPHES.sub("", _folded(title))
    for pattern, word in _SPELLED_OUT:
        text = pattern.sub(word, text)
    words = _BETWEEN_WORDS.sub(" ", text).split()
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
    words = set(re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", title).lower()))
    return " ".join(sorted(words)) or title.strip()
