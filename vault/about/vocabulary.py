"""The words that recognition knows: months in three languages, quarters, halves, weeks; and what numbers may count."""

from __future__ import annotations

import re
from typing import NamedTuple

from vault.about.spans import Unit

YEAR = "(?:199[0-9]|20[0-9][0-9]|2100)"
"""The years that a number can mean."""

BETWEEN = re.compile(r"[\s_]{0,2}(?:[-–—_]|--|\.\.\.?|…|to|till|по|до)[\s_]{0,2}")
"""What makes a range of two dates when it stands between them."""


class Word(NamedTuple):
    """What a word means. unit: MONTH, or one that needs a number beside it · number: of a month ·
    short: an abbreviation · english: a day may follow (May 17) · of: a genitive, so that a number before it is a day."""

    unit: Unit
    number: int = 0
    short: bool = False
    english: bool = False
    of: bool = False


# month by month: English; Russian nominative, genitive, prepositional; the same in Ukrainian; abbreviations after the bar
_ENGLISH = """january|jan february|feb march|mar april|apr may| june|jun july|jul august|aug september|sep,sept october|oct
    november|nov december|dec"""
_RUSSIAN = """январь,января,январе|янв февраль,февраля,феврале|фев,февр март,марта,марте|мар апрель,апреля,апреле|апр
    май,мая,мае| июнь,июня,июне|июн июль,июля,июле|июл август,августа,августе|авг сентябрь,сентября,сентябре|сен,сент
    октябрь,октября,октябре|окт ноябрь,ноября,ноябре|ноя,нояб декабрь,декабря,декабре|дек"""
# abbreviations that are words of their own (лист, вер, лип, тра) are left out
_UKRAINIAN = """січень,січня,січні|січ лютий,лютого,лютому|лют березень,березня,березні|бер,берез квітень,квітня,квітні|квіт
    травень,травня,травні|трав червень,червня,червні|черв липень,липня,липні| серпень,серпня,серпні|серп
    вересень,вересня,вересні|верес жовтень,жовтня,жовтні|жовт листопад,листопада,листопаді|листоп грудень,грудня,грудні|груд"""
_UNITS = {
    Unit.QUARTER: "квартал квартала кварталу кварталі квартале кв quarter qtr q",
    Unit.HALF: "полугодие полугодия полугодии півріччя півріччі half h",
    Unit.WEEK: "неделя недели неделю нед тиждень тижня тижні тиж week wk w kw",
}


def _months() -> dict[str, Word]:
    out: dict[str, Word] = {}
    for table in (_ENGLISH, _RUSSIAN, _UKRAINIAN):
        for number, forms in enumerate(table.split(), 1):
            full, _, abbreviations = forms.partition("|")
            english = table is _ENGLISH
            for place, form in enumerate(full.split(",")):
                out[form] = Word(Unit.MONTH, number, english=english, of=place == 1)
            for form in filter(None, abbreviations.split(",")):
                out[form] = Word(Unit.MONTH, number, short=True, english=english)
    return out


WORDS = _months() | {form: Word(unit, short=len(form) == 1) for unit, forms in _UNITS.items() for form in forms.split()}

_THINGS = """agent app
    batch branch call campaign case chapter chunk client copy dsc ext file group id img inc index invoice iso issue item
    line lot no node num number order page part pid port project queue ref req request room row sample scan sector serial server
    shard sheet sip site skill slot step table team test ticket tkt user v ver version vol volume worker x № # n
    агент абонент акт версия вер группа дело договор заказ заявка звонок клиент копия лист линия номер оператор очередь проект
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
