"""Tables: every format reads the same, nothing is guessed at silently, every oddity is named."""

import io
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medfusion.data import read_table
from medfusion.data.numbers import NotNumbersError, to_numbers
from medfusion.data.table import MISSING
from medfusion.errors import TableError

GERMAN = "id;Größe;Geschlecht;Straße\n007;1,75;männlich;Äußere Gasse\n008;1,62;weiblich;Öd 3\n"
CHINESE = "编号,年龄,性别,诊断\n007,61,男,恶性黑色素瘤\n008,58,女,良性痣(左侧)\n"


def write(tmp_path, content, name="table.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
@pytest.mark.parametrize("order", ["", "-le", "-be"])
def test_german_in_every_encoding(tmp_path, encoding, order):
    if order and encoding in ("utf-16", "utf-32"):
        raw = ("\ufeff" + GERMAN).encode(encoding + order)
    else:
        raw = GERMAN.encode(encoding)
    table = read_table(write(tmp_path, raw))
    assert table.columns == ["id", "Größe", "Geschlecht", "Straße"]
    assert table.separator == ";"
    assert table.text("id") == ["007", "008"]
    assert table.numbers("Größe").tolist() == [1.75, 1.62]
    assert table.text("Straße") == ["Äußere Gasse", "Öd 3"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk", "gb18030", "gb2312"])
def test_chinese_in_every_encoding(tmp_path, encoding):
    table = read_table(write(tmp_path, CHINESE, encoding=encoding))
    assert table.columns == ["编号", "年龄", "性别", "诊断"]
    assert table.text("诊断") == ["恶性黑色素瘤", "良性痣(左侧)"]
    assert table.numbers("年龄").tolist() == [61, 58]


@pytest.mark.parametrize(
    "text", ["crème brûlée", "naïve façade à l'été", "µg/l ±2 °C", "Ærø på Åland", "España, año"]
)
def test_western_words_are_not_taken_for_chinese(tmp_path, text):
    table = read_table(write(tmp_path, f'id,note\n1,"{text}"\n', encoding="cp1252"))
    assert table.text("note") == [text]
    assert table.encoding == "cp1252"
    assert "Windows-1252" in table.notes[0]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_separators_and_line_endings(tmp_path, separator, ending):
    lines = ["id;dose;note", "1;2.5;a", "2;3.5;b"]
    text = ending.join(line.replace(";", separator) for line in lines) + ending
    table = read_table(write(tmp_path, text, name="table.txt"))
    assert table.separator == separator
    assert table.numbers("dose").tolist() == [2.5, 3.5]
    assert table.lines.tolist() == [2, 3]


def test_decimal_commas_in_every_cell_do_not_pass_for_separators(tmp_path):
    table = read_table(write(tmp_path, "Alter, Jahre;Dosis, mg\n1,5;2,5\n3,5;4,5\n"))
    assert table.columns == ["Alter, Jahre", "Dosis, mg"]
    assert table.numbers("Dosis, mg").tolist() == [2.5, 4.5]


def test_excels_own_separator_line(tmp_path):
    table = read_table(write(tmp_path, "sep=;\nid;a,b\n1;x\n"))
    assert table.columns == ["id", "a,b"]
    assert table.where(0) == "line 3"


def test_cells_and_names_lose_white_space_and_empty_lines_are_skipped(tmp_path):
    table = read_table(write(tmp_path, " id , sex \n\n1, male \n,\n2,female\n"))
    assert table.columns == ["id", "sex"]
    assert table.text("sex") == ["male", "female"]
    assert table.lines.tolist() == [3, 5]


def test_quoted_cells_may_hold_separators_and_lines(tmp_path):
    table = read_table(write(tmp_path, 'id,note\n1,"a, ""b""\nc"\n2,d\n'))
    assert table.text("note") == ['a, "b"\nc', "d"]
    assert table.where(1) == "line 4"


def test_missing_words(tmp_path):
    words = sorted(MISSING - {""})
    body = "".join(f"{index},{word}\n" for index, word in enumerate(words))
    table = read_table(write(tmp_path, "id,v\n" + body))
    assert table.text("v") == [None] * len(words)
    assert np.isnan(table.numbers("v")).all()


@pytest.mark.parametrize("word", ["none", "na", "Na", "unknown", "0", "-", "N"])
def test_other_words_stay(tmp_path, word):
    assert read_table(write(tmp_path, f"id,v\n1,{word}\n")).text("v") == [word]


def test_ids_keep_leading_zeros_and_long_digits(tmp_path):
    table = read_table(write(tmp_path, "id,x\n0012345678901234567890,1\n1e5,2\n"))
    assert table.text("id") == ["0012345678901234567890", "1e5"]


def test_text_among_numbers_names_rows_and_values(tmp_path):
    table = read_table(write(tmp_path, "id,crp\n1,5\n2,<0.5\n3,n.d.\n4,7\n"))
    with pytest.raises(TableError, match=r"crp.*line 3: '<0.5', line 4: 'n.d.'"):
        table.numbers("crp")


def test_mixed_decimal_marks_are_refused(tmp_path):
    table = read_table(write(tmp_path, "id;v\n1;1,5\n2;2.5\n"))
    with pytest.raises(TableError, match="mixes decimal commas and decimal dots"):
        table.numbers("v")


def test_thousands_between_commas_are_refused(tmp_path):
    table = read_table(write(tmp_path, 'id,v\n1,"1,234"\n2,"12,500"\n'))
    with pytest.raises(TableError, match="thousands or decimals"):
        table.numbers("v")


@pytest.mark.parametrize(
    "cell", ["inf", "-inf", "1_000", "0x10", "1e999", "5 %", "١٢", "1.2.3", ""]
)
def test_no_numbers(cell):
    with pytest.raises(NotNumbersError):
        to_numbers([cell])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_numbers_read_as_they_were_written(values):
    assert to_numbers([repr(v) for v in values]).tolist() == values
    comma = [repr(v).replace(".", ",") for v in values]
    assert to_numbers(comma).tolist() == values


def test_minus_sign_of_word_processors():
    assert to_numbers(["\N{MINUS SIGN}1.5"]).tolist() == [-1.5]


def test_excel(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Cohort"
    sheet.append(["id", "age", "seen", "ill", "text"])
    sheet.append(["007", 61, pd.Timestamp("2024-01-31"), True, None])
    sheet.append([8, 58.5, pd.Timestamp("2024-02-01 12:30"), False, " x "])
    book.create_sheet("Notes").append(["nothing"])
    path = tmp_path / "table.xlsx"
    book.save(path)
    table = read_table(path)
    assert table.format == "excel"
    assert table.text("id") == ["007", "8"]
    assert table.numbers("age").tolist() == [61, 58.5]
    assert table.text("seen") == ["2024-01-31", "2024-02-01 12:30:00"]
    assert table.text("ill") == ["True", "False"]
    assert table.text("text") == [None, "x"]
    assert "Cohort" in table.notes[0]
    assert "Notes" in table.notes[0]
    assert table.where(0) == "row 2"


def test_excel_with_an_empty_first_sheet_and_trailing_columns(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.create_sheet("Data")
    sheet.append(["id", "x", None])
    sheet.append([1, 2, None])
    path = tmp_path / "t.xlsx"
    book.save(path)
    table = read_table(path)
    assert table.columns == ["id", "x"]
    assert table.text("x") == ["2"]


def test_parquet(tmp_path):
    frame = pd.DataFrame(
        {
            "id": ["007", "008", None],
            "n": pd.array([1, None, 3], dtype="Int64"),
            "x": [0.1, np.nan, 2.0],
            "cat": pd.Categorical(["a", "b", "a"]),
            "day": pd.to_datetime(["2024-01-31"] * 3),
            "ill": [True, False, True],
        }
    )
    frame["bytes"] = [b"1", b"2", b"3"]
    path = tmp_path / "table.parquet"
    frame.to_parquet(path)
    table = read_table(path)
    assert table.format == "parquet"
    assert table.text("id") == ["007", "008", None]
    assert table.text("n") == ["1", None, "3"]
    np.testing.assert_array_equal(table.numbers("x"), [0.1, np.nan, 2.0])
    assert table.text("cat") == ["a", "b", "a"]
    assert table.text("day") == ["2024-01-31"] * 3
    assert table.text("ill") == ["True", "False", "True"]
    assert "bytes" in table.notes[0]


def test_the_same_table_in_every_format(tmp_path):
    frame = pd.DataFrame({"id": ["01", "02"], "x": [1.5, 2.0], "n": [3, 4]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    for name in ("a.csv", "a.tsv", "a.xlsx", "a.parquet"):
        table = read_table(tmp_path / name)
        assert table.columns == ["id", "x", "n"], name
        assert table.text("id") == ["01", "02"], name
        assert table.numbers("x").tolist() == [1.5, 2.0], name
        assert table.numbers("n").tolist() == [3, 4], name


def test_content_decides_not_the_suffix(tmp_path):
    pd.DataFrame({"id": ["1"], "x": ["2"]}).to_excel(tmp_path / "a.xlsx", index=False)
    (tmp_path / "a.csv").write_bytes((tmp_path / "a.xlsx").read_bytes())
    assert read_table(tmp_path / "a.csv").format == "excel"


BAD = {
    "empty": (b"", "is empty"),
    "blank": (b"\n\n  \n", "is empty"),
    "header only": (b"id,age\n", "no rows"),
    "duplicate columns": (b"id,x,x\n1,2,3\n", "several columns are called 'x'"),
    "unnamed column": (b"id,,x\n1,2,3\n", "column 2 has no name"),
    "short row": (b"id,x\n1,2\n3\n", r"header has 2 cells but line 3 has 1"),
    "long row": (b"id,x\n1,2\n3,4,5\n", r"line 3 has 3"),
    "open quote": (b'id,x\n1,"2\n3,4\n', "quotation mark"),
    "text after quote": (b'id,x\n1,"2"3\n', "line 2"),
    "huge cell": (b"id,x\n1," + b"a" * 200_000 + b"\n", "field"),
    "binary": (bytes(range(256)) * 8, "binary data"),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary data"),
    "utf-16 without mark": ("id,x\n1,2\n".encode("utf-16-le"), "binary data"),
    "cut utf-16": (b"\xff\xfei\0d\0,\0x", "damaged or cut off"),
    "damaged utf-8": (
        "id,名称\n1,良性\n2,恶\n".encode()[:-2] + b"\n",
        "line 3: UTF-8 text with a damaged",
    ),
    "undecodable": (b"id,x\n1,\x81\x20\n", "save it as UTF-8"),
    "old excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "old .xls"),
    "damaged excel": (b"PK\x03\x04" + b"junk" * 50, "damaged Excel"),
    "damaged parquet": (b"PAR1" + b"junk" * 50, "Parquet"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables(tmp_path, case):
    content, message = BAD[case]
    path = write(tmp_path, content)
    with pytest.raises(TableError, match=message) as error:
        read_table(path)
    assert str(path) in str(error.value)


def test_trailing_separators_and_unnamed_empty_columns_are_harmless(tmp_path):
    table = read_table(write(tmp_path, "id,x,\n1,2,\n3,4,,,\n"))
    assert table.columns == ["id", "x"]
    assert table.text("x") == ["2", "4"]


def test_missing_file_names_the_near_one(tmp_path):
    write(tmp_path, "id,x\n1,2\n", name="cohort.csv")
    with pytest.raises(TableError, match=r"no such file; did you mean 'cohort.csv'"):
        read_table(tmp_path / "chort.csv")
    with pytest.raises(TableError, match="is a folder"):
        read_table(tmp_path)
    with pytest.raises(TableError, match="no such file"):
        read_table(tmp_path / "no" / "such.csv")


def test_zip_archives_and_bombs(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("table.csv", "id,x\n1,2\n")
    with pytest.raises(TableError, match="ZIP archive"):
        read_table(tmp_path / "a.zip")
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "x")
    content = raw.getvalue()
    # The directory claims 2 GiB for the one member.
    place = content.rindex(b"PK\x01\x02") + 24
    bomb = content[:place] + (2 << 30).to_bytes(4, "little") + content[place + 4 :]
    with pytest.raises(TableError, match="unpacks to 2048 MiB"):
        read_table(write(tmp_path, bomb, name="bomb.xlsx"))


def test_unknown_columns_are_all_named_with_the_near_ones(tmp_path):
    table = read_table(write(tmp_path, "id,age,sex\n1,2,3\n"))
    with pytest.raises(TableError) as error:
        table.require([("agee", "data.numeric"), ("zz", "data.group"), ("id", "data.id")])
    assert "data.numeric: there is no column 'agee'; did you mean 'age'?" in str(error.value)
    assert "data.group: there is no column 'zz'" in str(error.value)
    assert "data.id" not in str(error.value)


def test_one_row_and_one_column(tmp_path):
    table = read_table(write(tmp_path, "id\n1\n"))
    assert len(table) == 1
    assert table.columns == ["id"]


def test_take_keeps_places(tmp_path):
    table = read_table(write(tmp_path, "id,x\n1,2\n3,4\n5,6\n")).take([2, 0])
    assert table.text("id") == ["5", "1"]
    assert table.where(0) == "line 4"


@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_a_table_or_a_table_error(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "junk.csv"
    path.write_bytes(raw)
    try:
        table = read_table(path)
    except TableError:
        return
    assert len(table) > 0
    assert len(set(table.columns)) == len(table.columns)
