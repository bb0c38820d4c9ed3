"""Advice looks at the bytes: what encoding they are in, what else they are, and what is wrong with them."""

from __future__ import annotations

import ast
import io
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from training.data.corpus import load_corpus
from training.data.text_encoding import guess_encoding
from training.data.text_files import FileStats, ReadingOptions, iter_blocks

ENGLISH = "“Well,” said he, “it’s a fine day… isn’t it?” The old man — tired — sat down by the river.\n" * 20
FRENCH = "Où est le café ? L’été dernier, nous avons mangé des œufs « à la coque ». Ça coûte 5 €.\n" * 20
RUSSIAN = "Чёрный кот сидел на окне и смотрел на улицу. Старый дом стоял у реки.\n" * 20
CHINESE = "今天天气很好，我们去公园散步。孩子们在湖边放风筝，老人们在树下下棋。\n" * 20
JAPANESE = "今日はとても良い天気です。公園を散歩しました。子供たちが遊んでいます。\n" * 20
GREEK = "Η γλώσσα είναι ένα ζωντανό πράγμα και αλλάζει κάθε μέρα.\n" * 20
KOREAN = "오늘은 날씨가 좋아서 공원에 산책을 갔습니다.\n" * 20
POLISH = "Zażółć gęślą jaźń, rzekł ojciec do córki. Życie jest piękne.\n" * 20
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy, řekl starý muž a šel domů k řece.\n" * 20
UKRAINIAN = "Реве та стогне Дніпр широкий, сердитий вітер завива, додолу верби гне високі.\n" * 20
HEBREW = "בראשית ברא אלהים את השמים ואת הארץ והארץ היתה תהו ובהו וחשך על פני תהום ורוח אלהים.\n" * 20

CASES = [
    (ENGLISH, "cp1252"), (FRENCH, "cp1252"), (FRENCH.replace("œ", "oe").replace("’", "'").replace("€", "E"), "latin-1"),
    (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"), (CHINESE, "gbk"), (CHINESE, "big5"), (JAPANESE, "shift_jis"),
    (JAPANESE, "euc_jp"), (GREEK, "cp1253"), (KOREAN, "euc_kr"), (POLISH, "cp1250"), (ENGLISH, "utf-16-le"),
    (RUSSIAN, "utf-16-be"), (CHINESE, "utf-16-le"), (FRENCH, "utf-32-le"),
    (POLISH, "iso8859-2"), (CZECH, "iso8859-2"), (CZECH, "cp1250"), (UKRAINIAN, "koi8-u"), (UKRAINIAN, "cp1251"),
    (HEBREW, "cp1255"), (RUSSIAN, "cp866"),
]  # fmt: skip


def encoded(text: str, encoding: str) -> bytes:
    return text.encode(encoding, errors="ignore")


@pytest.mark.parametrize(("text", "encoding"), CASES)
def test_the_encoding_is_guessed_and_the_advice_reads_the_text(tmp_path: Path, text: str, encoding: str) -> None:
    """Everything said "for example --encoding latin-1", which trained on controls or `Çîëîòîé` in silence."""
    (tmp_path / "a.txt").write_bytes(encoded(text, encoding))
    expected = encoded(text, encoding).decode(encoding)
    with pytest.raises(ValueError, match="--encoding") as refused:
        load_corpus(str(tmp_path / "a.txt"))
    advice = str(refused.value)
    name = advice.split("--encoding ")[1].split()[0].rstrip(".")
    shown = re.search(r"right: (.*?)(?:, or correct it.*)?\.$|such as (.*); expected", advice)
    assert shown is not None
    assert ast.literal_eval(shown[1] or shown[2]) in expected
    corpus = load_corpus(str(tmp_path / "a.txt"), encoding=name)
    assert corpus.train[:] + corpus.held_out == expected
    assert load_corpus(str(tmp_path / "a.txt"), encoding="auto").sha256 == corpus.sha256


def test_random_bytes_are_no_text() -> None:
    assert guess_encoding(bytes(range(1, 256)) * 20) is None


def test_four_bad_bytes_in_a_good_file_are_named_and_can_be_replaced(tmp_path: Path) -> None:
    good = "Der Müller aß süße Äpfel. The sailor crossed the river.\n" * 200
    data = good.encode()
    for place in (500, 5000, 5007, 9000):
        data = data[:place] + b"\x92" + data[place:]
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(ValueError, match=r"0x92 at offset 500, .*all but 4 of its bytes are.*--errors replace"):
        load_corpus(str(tmp_path / "a.txt"))
    replaced = load_corpus(str(tmp_path / "a.txt"), errors="replace")
    assert any("4 places could not be decoded" in note for note in replaced.warnings)
    assert (replaced.train[:] + replaced.held_out).count("\ufffd") == 4
    ignored = load_corpus(str(tmp_path / "a.txt"), errors="ignore")
    assert ignored.train[:] + ignored.held_out == good


def test_stray_nuls_are_told_apart_from_a_binary_file(tmp_path: Path) -> None:
    good = "The sailor crossed the river and sat down.\n" * 300
    data = good.encode()
    (tmp_path / "a.txt").write_bytes(data[:100] + b"\0\0" + data[100:9000] + b"\0\0" + data[9000:])
    with pytest.raises(ValueError, match=r"NUL byte at offset 100 in what is text otherwise.*--errors replace"):
        load_corpus(str(tmp_path / "a.txt"))
    corpus = load_corpus(str(tmp_path / "a.txt"), errors="replace")
    assert corpus.train[:] + corpus.held_out == good
    assert any("left out 4 NUL bytes" in note for note in corpus.warnings)


def tar(text: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("a.txt")
        info.size = len(text.encode())
        archive.addfile(info, io.BytesIO(text.encode()))
    return file.getvalue()


def office() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("word/document.xml", "<xml/>")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + b"x" * 500, "a PDF document"), (tar(ENGLISH), "a tar archive.*unpack it"),
        (b"7z\xbc\xaf\x27\x1c" + b"\1" * 500, "a 7z archive.*unpack it"), (office(), "a Word document"),
        (b"\x89PNG\r\n\x1a\n" + b"\1" * 500, "a PNG image"), (b"PAR1" + b"\1" * 500, "a damaged Parquet file"),
    ],
)  # fmt: skip
def test_a_document_and_an_archive_are_called_what_they_are(tmp_path: Path, data: bytes, kind: str) -> None:
    (tmp_path / "story.txt").write_bytes(data)
    with pytest.raises(ValueError, match=f"is {kind}"):
        load_corpus(str(tmp_path / "story.txt"))


def test_one_file_of_a_folder_in_another_encoding_is_read_by_auto(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Ein süßer Apfel fiel vom Baum.\n" * 20, encoding="utf-8")
    (tmp_path / "b.txt").write_bytes(encoded(ENGLISH, "cp1252"))
    with pytest.raises(ValueError, match=r"b\.txt .*--encoding cp1252"):
        load_corpus(str(tmp_path))
    corpus = load_corpus(str(tmp_path), encoding="auto")
    assert "süßer" in corpus.train[:] and "“Well,”" in corpus.train[:] + corpus.held_out
    assert any("read 1 file in another encoding than UTF-8: b.txt (cp1252)" in note for note in corpus.warnings)


def test_controls_from_a_wrong_encoding_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(encoded(ENGLISH, "cp1252"))
    corpus = load_corpus(str(tmp_path / "a.txt"), encoding="latin-1")
    notes = " ".join(corpus.warnings)
    assert "U+0093" in notes and "may rather be in cp1252" in notes and "“Well,”" in notes


def test_another_script_behind_a_named_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(encoded(RUSSIAN, "cp1251"))
    assert any(
        "may rather be in cp1251" in note for note in load_corpus(str(tmp_path / "a.txt"), encoding="latin-1").warnings
    )
    assert load_corpus(str(tmp_path / "a.txt"), encoding="cp1251").warnings == ()


def test_invisible_characters_are_told_however_often_they_occur(tmp_path: Path) -> None:
    text = ENGLISH + "\ufeff" + ENGLISH + "a\u200bb c\u00a0d e\u202ff " + "\U0001f469\u200d\U0001f680 "
    (tmp_path / "a.txt").write_text("\ufeff" + text * 2, encoding="utf-8")
    corpus = load_corpus(str(tmp_path / "a.txt"))
    notes = " ".join(corpus.warnings)
    assert "dropped 2 byte-order marks inside the text" in notes
    assert all(part in notes for part in ("2 x U+200B", "2 x U+00A0", "2 x U+202F")) and "U+200D" not in notes
    assert "\ufeff" not in corpus.train[:] + corpus.held_out


def test_errors_and_encodings_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="errors is 'xml'; expected strict, replace or ignore"):
        ReadingOptions(errors="xml")
    with pytest.raises(ValueError, match="'utf-9' is unknown"):
        ReadingOptions(encoding="utf-9")


def test_a_guess_that_fails_in_a_folder_leaves_the_file_out(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(ENGLISH, encoding="utf-8")
    (tmp_path / "b.bin").write_bytes(bytes(range(1, 256)) * 20)
    stats = FileStats("auto")
    assert "".join(iter_blocks(tmp_path, ReadingOptions("auto"), stats)) == ENGLISH
    assert stats.excluded == ["b.bin"]
