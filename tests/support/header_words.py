"""Headers as exports of contact centres have them, in the languages whose files come in eight-bit encodings.

Most are a word or two over rows of figures and Latin words: all that an encoding can be told by.
"""

from __future__ import annotations

RUSSIAN = (
    "Время", "Дата", "Номер", "Агент", "Оператор", "Звонки", "Вызовы", "Очередь", "Статус", "Длительность", "Клиент", "Филиал",
    "Город", "Тема", "Итого", "Всего", "Сумма", "Оценка", "Линия", "Отдел", "Группа", "Смена", "ФИО", "Телефон", "Дата и время",
    "Время начала", "Время ожидания", "Принято", "Пропущено", "Потеряно", "Входящие", "Исходящие", "Абонент", "Кто", "Кому",
    "Куда", "Откуда", "Причина", "Результат", "Комментарий", "Примечание", "Заявка", "Обращение", "Проект", "Услуга", "Цена",
    "Кол-во", "Количество", "Мин.", "Сек.", "Час", "День", "Месяц", "Год", "Неделя", "№", "№ п/п", "Код", "Имя", "Фамилия",
    "ИНН", "Адрес", "Эл. почта", "Ответ", "Вопрос", "Тип", "Вид", "Канал", "Регион", "Ставка", "НДС", "Ёмкость", "Объём",
    "Счёт", "Средняя оценка", "Уровень сервиса", "Доля, %", "Ср. время разговора", "АБОНЕНТ", "ИТОГО", "ДАТА",
)  # fmt: skip
UKRAINIAN = (
    "Клієнт", "Філія", "Час", "Дзвінки", "Дата", "Тривалість", "Місто", "Оператор", "Черга", "Ім'я", "Прізвище", "Відділ",
    "Кількість", "Сума", "Усього", "Оцінка", "Тема", "Відповідь", "Вхідні", "Вихідні", "Пропущені", "Зміна", "Причина", "Група",
    "Лінія", "Послуга", "Ціна", "Адреса", "Місяць", "Рік", "Тиждень", "День", "Їх номер", "Є відповідь", "Примітка", "Проєкт",
    "Канал", "Регіон", "Звернення", "Ґрунт",
)  # fmt: skip
WESTERN = (
    "Größe", "Straße", "Dauer für Gespräch", "Anrufe täglich", "Kürzel", "Ä", "Übergabe", "Prénom", "Durée", "Téléphone",
    "Numéro", "Opérateur", "Équipe", "Réponse", "Société", "Coût", "Août", "Teléfono", "Año", "Duración", "Número", "Atención",
    "Día", "Señor", "Città", "Qualità", "Perché", "Ação", "Número de ligações", "Não", "Månad", "Kö", "Ärende", "Løn",
    "Påmelding",
)  # fmt: skip
SIGNS_1251 = ("12\xa0346", "1,€100", "© Mobifon", "Acme®", "wait…", "5 – 7", "“ok”", "№ 5", "20 °C", "±5", "§ 3")
SIGNS_1252 = ("12\xa0346", "1,€100", "© Mobifon", "Acme®", "wait…", "5 – 7", "“ok”", "£5", "20 °C", "±5", "½", "¿ok?")
"""Cells whose foreign bytes are no letters: what Excel writes between thousands, prices, typographic signs."""

ROWS = "1;2024-05-01 10:00;Sales\n2;2024-05-01 10:05;Support\n" * 20


def of_header(header: str) -> str:
    """A table with that column among others."""
    return f"{header};Calls;Queue\n{ROWS}"


def of_cell(cell: str) -> str:
    """A table with that cell in one of its rows."""
    return f"id;started;queue\n{ROWS}A-1;2024-05-01 10:00;{cell}\n{ROWS}"


def cases() -> list[tuple[str, str]]:
    """Texts, each with the encoding that it is in."""
    found = [(of_header(word), codec) for word in RUSSIAN for codec in ("cp1251", "cp866", "koi8-u")]
    found += [(of_header(word), codec) for word in UKRAINIAN for codec in ("cp1251", "koi8-u")]
    found += [(of_header(word), "cp1252") for word in WESTERN]
    found += [(of_cell(cell), "cp1251") for cell in SIGNS_1251] + [(of_cell(cell), "cp1252") for cell in SIGNS_1252]
    return [(text, codec) for text, codec in found if text.encode(codec, "ignore").decode(codec) == text]
