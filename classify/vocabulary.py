"""The words that recognition knows: months in five languages, quarters, halves, weeks, runs of months; what numbers count."""

from __future__ import annotations

import re
from typing import NamedTuple

from classify.calendar_spans import Unit

YEAR = "(?:199[0-9]|20[0-9][0-9]|2100)"
"""The years that a number can mean."""

BETWEEN = re.compile(r"[\s_]{0,2}(?:[-–—_]|--|\.\.\.?|…|to|till|until|through|по|до|bis|do)[\s_]{0,2}")
"""What makes a range of two dates when it stands between them."""

YEAR_WORD = re.compile(r"[\s_.-]{0,2}(?:год|рік|year|rok|jahr)(?![^\W_])")
"""After a year: that the whole of it is meant."""
ANNUAL = re.compile(r"annual|yearly|годов|річн|roczn|jahres|(?<![^\W_])year[\s_]")
"""Anywhere in a name: that a year is meant as a whole."""


class Word(NamedTuple):
    """What a word means. unit: MONTH, or one that needs a number beside it; RANGE counts the months from the beginning of a
    year · number: of a month · short: an abbreviation · english: a day may follow (May 17) · of: a genitive, so that a number
    before it is a day · plain: the word means hardly anything else · other: a unit that it may mean as well."""

    unit: Unit
    number: int = 0
    short: bool = False
    english: bool = False
    of: bool = False
    plain: bool = True
    other: Unit | None = None


# month by month: English; Russian nominative, genitive, prepositional; the same in Ukrainian and Polish; German; abbreviations
# after the bar
_ENGLISH = """january|jan february|feb march|mar april|apr may| june|jun july|jul august|aug september|sep,sept october|oct
    november|nov december|dec"""
_RUSSIAN = """январь,января,январе|янв февраль,февраля,феврале|фев,февр март,марта,марте|мар апрель,апреля,апреле|апр
    май,мая,мае| июнь,июня,июне|июн июль,июля,июле|июл август,августа,августе|авг сентябрь,сентября,сентябре|сен,сент
    октябрь,октября,октябре|окт ноябрь,ноября,ноябре|ноя,нояб декабрь,декабря,декабре|дек"""
# abbreviations that are words of their own (лист, вер, лип, тра) are left out
_UKRAINIAN = """січень,січня,січні|січ лютий,лютого,лютому|лют березень,березня,березні|бер,берез квітень,квітня,квітні|квіт
    травень,травня,травні|трав червень,червня,червні|черв липень,липня,липні| серпень,серпня,серпні|серп
    вересень,вересня,вересні|верес жовтень,жовтня,жовтні|жовт листопад,листопада,листопаді|листоп грудень,грудня,грудні|груд"""
_POLISH = """styczeń,stycznia,styczniu,styczen|sty luty,lutego,lutym|lut marzec,marca,marcu|
    kwiecień,kwietnia,kwietniu,kwiecien|kwi maj,maja,maju| czerwiec,czerwca,czerwcu|cze lipiec,lipca,lipcu|
    sierpień,sierpnia,sierpniu,sierpien|sie wrzesień,września,wrześniu,wrzesien,wrzesnia|wrz
    październik,października,październiku,pazdziernik,pazdziernika|paź,paz listopad,listopada,listopadzie|
    grudzień,grudnia,grudniu,grudzien|gru"""
_GERMAN = """januar,jänner| februar| märz,maerz|mär,mrz april| mai| juni| juli| august| september| oktober|okt november|
    dezember|dez"""
_UNITS = {
    Unit.QUARTER: """квартал квартала кварталу кварталі квартале кв quarter qtr q kwartał kwartału kwartale kwartal kwartalu
        quartal""",
    Unit.HALF: """полугодие полугодия полугодии півріччя півріччі пг half h półrocze półrocza półroczu polrocze polrocza
        halbjahr hj""",
    Unit.WEEK: "неделя неделе неделю нед тиждень тижня тижні тиж week wk w tydzień tygodnia tydzien tyg woche",
    Unit.RANGE: "месяцев месяца мес місяців місяці міс months miesięcy miesiące miesiecy mies monate monaten m м",
}
_GENITIVES = frozenset({1})
_VERBS = frozenset({"may", "march", "марта"})
"""Months that are words or names of their own."""


def _months() -> dict[str, Word]:
    out: dict[str, Word] = {}
    for table in (_GERMAN, _POLISH, _ENGLISH, _RUSSIAN, _UKRAINIAN):
        for number, forms in enumerate(table.split(), 1):
            full, _, abbreviations = forms.partition("|")
            english = table is _ENGLISH
            for place, form in enumerate(full.split(",")):
                of = place in _GENITIVES or table is _GERMAN
                out[form] = Word(Unit.MONTH, number, english=english, of=of, plain=form not in _VERBS)
            for form in filter(None, abbreviations.split(",")):
                out[form] = Word(Unit.MONTH, number, short=True, english=english)
    return out


WORDS = _months() | {form: Word(unit, short=len(form) == 1) for unit, forms in _UNITS.items() for form in forms.split()}
WORDS["kw"] = Word(Unit.WEEK, other=Unit.QUARTER)  # a calendar week in German, a quarter in Polish
WORDS["недели"] = WORDS["weeks"] = Word(Unit.WEEK, other=Unit.YEAR)  # of one week, or a count of weeks

_ORDINALS = """first,1st,перв,перш,erste,pierwsz second,2nd,втор,друг,zweite,drug third,3rd,трет,dritte,trzeci
    fourth,4th,четверт,четвёрт,vierte,czwart"""
ORDINALS = {form: number for number, forms in enumerate(_ORDINALS.split(), 1) for form in forms.split(",") if form.isalpha()}
"""How ordinal numbers of quarters and halves begin."""

_THINGS = """agent app
    batch branch call campaign case chapter chunk client copy dsc ext file group id img inc index invoice iso issue item
    line lot no node num number order page part pid port project queue ref req request room row sample scan sector serial server
    shard sheet sip site skill slot step table team test ticket tkt user v ver version vol volume worker x № # n
    агент абонент акт версия вер группа дело договор заказ заявка звонок клиент копия лист линия номер оператор очередь проект
    декада декаду декады
    скан стр страница х счет счёт том тикет файл часть версія група договір замовлення заявки дзвінок клієнт копія лінія лінии
    оператори черга рахунок сторінка тікет частина"""
_COUNTED = frozenset(_THINGS.split())
"""A number right after one of these is not a date but the name of a thing."""

_LAST_WORD = re.compile(r"([^\W\d_]{1,12}|[№#])[\s._:=№#-]{0,3}\Z")


def word_before(text: str, at: int) -> str:
    """The word right before a place in a name; empty where there is none."""
    found = _LAST_WORD.search(text, max(0, at - 16), at)
    return found[1] if found else ""


def counts_something(text: str, at: int) -> bool:
    """Whether the number at a place of a name says which of several things is meant."""
    return word_before(text, at) in _COUNTED
