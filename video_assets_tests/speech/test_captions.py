from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video_assets.errors import PermanentError
from video_assets.speech import captions
from video_assets.speech.captions import read_captions
from video_assets.speech.clean import clean_text
from video_assets.speech.transcript import Segment, Transcript, to_text, to_vtt
from video_assets.speech.verify import transcript_checks


def texts(data: str | bytes, name: str = "a.vtt", duration: float = 60.0) -> list[str]:
    return [segment.text for segment in read(data, name, duration).segments]


def read(data: str | bytes, name: str = "a.vtt", duration: float = 60.0) -> Transcript:
    return read_captions(data.encode() if isinstance(data, str) else data, name, duration)


def vtt(*cues: tuple[float, float, str]) -> str:
    def clock(seconds: float) -> str:
        return f"{int(seconds // 60):02d}:{seconds % 60:06.3f}"

    return "WEBVTT\n\n" + "\n".join(f"{clock(start)} --> {clock(end)}\n{text}\n" for start, end, text in cues)


def test_webvtt_with_all_its_blocks_is_read() -> None:
    found = read(
        "WEBVTT - a talk\nKind: captions\nLanguage: en-GB\n\nNOTE nothing\nof interest\n\n"
        "STYLE\n::cue { color: lime }\n\nREGION\nid:fred\n\n"
        "intro\n00:01.000 --> 00:02.500 align:start\n<v Ann>The <i>tide</i> rises\n<c.loud>at seven</c>.\n\n"
        "01:00:00.000 --> 01:00:01.000\nlater\n",
        duration=4000,
    )
    assert [(each.start, each.end, each.text) for each in found.segments] == [
        (1.0, 2.5, "The tide rises at seven."),
        (3600.0, 3601.0, "later"),
    ]
    assert (found.language, found.source, found.speech_seconds) == ("en", "captions", 2.5)


def test_subrip_is_read_with_its_markup_and_without_its_numbers() -> None:
    found = read(
        '1\r\n00:00:01,000 --> 00:00:02,000\r\n{\\an8}<font color="#fff">Fish &amp; chips</font>\r\n\r\n'
        "2\r\n00:00:03,000 --> 00:00:04,000 X1:40\r\nLine\\Ntwo\r\n3\r\n00:00:05,5 --> 00:00:06,0\r\nno gap before\r\n",
        "a.srt",
    )
    assert [each.text for each in found.segments] == ["Fish & chips", "Line two", "no gap before"]
    assert found.segments[2].start == 5.5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_every_usual_encoding_is_told(encoding: str) -> None:
    text = vtt((1, 2, "Café “naïve” señor"))
    assert texts(text.encode(encoding)) == ["Café “naïve” señor"]


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("cp1250", "Příliš žluťoučký kůň úpěl. Dnes večer odplouvají lodě z přístavu."),
        ("iso8859_2", "Zażółć gęślą jaźń. Łodzie wypływają z portu przed burzą, a wędkarze czekają na świt."),
        ("cp1251", "Лодки выходят из гавани на рассвете. Рыбаки ждут прилива до семи часов."),
        ("koi8_r", "Лодки выходят из гавани на рассвете. Рыбаки ждут прилива до семи часов."),
        ("cp1250", "Łodzie wypływają z portu przed burzą, a wędkarze czekają na świt."),
        ("cp1250", "A hajók hajnalban elhagyják a kikötőt. A halászok várják az árvízt, tűrő."),
        ("cp1252", "Die Boote verlassen den Hafen früh. Schöne Grüße, außer Öl."),
        ("cp1252", "Los niños esperan la marea. ¿Dónde está el puerto? ¡Mañana!"),
        ("cp1252", "Båtene forlater havnen ved daggry. Fiskerne venter på høyvann."),
        ("cp1252", "Les bateaux quittent le port à l’aube. Où êtes-vous ? Ça va très bien."),
        ("cp1253", "Τα πλοία φεύγουν από το λιμάνι την αυγή. Οι ψαράδες περιμένουν."),
        ("cp1254", "Tekneler şafakta limandan ayrılıyor. Balıkçılar gelgiti bekliyor, güneş doğuyor."),
        ("cp1255", "הסירות עוזבות את הנמל עם שחר. הדייגים מחכים לגאות עד שבע."),
        ("cp1256", "تغادر القوارب الميناء عند الفجر. ينتظر الصيادون المد حتى السابعة."),
        ("tis_620", "เรือออกจากท่าเรือตอนรุ่งเช้า ชาวประมงรอกระแสน้ำจนถึงเจ็ดโมง"),
        ("shift_jis", "船は夜明けに港を出ます。漁師たちは七時まで潮を待っています。"),
        ("euc_jp", "船は夜明けに港を出ます。漁師たちは七時まで潮を待っています。"),
        ("gb18030", "船只在黎明时离开港口。渔民们等待潮水直到七点。"),
        ("big5", "船隻在黎明時離開港口。漁民們等待潮水直到七點。"),
        ("euc_kr", "배들이 새벽에 항구를 떠납니다. 어부들은 일곱 시까지 밀물을 기다립니다."),
    ],
)
def test_files_in_the_old_encodings_of_each_script_are_read_right(encoding: str, said: str) -> None:
    cues = "".join(f"{n + 1}\n00:00:{n * 3:02d},000 --> 00:00:{n * 3 + 2:02d},900\n{said}\n\n" for n in range(2))
    assert texts(cues.encode(encoding), "a.srt") == [said] * 2


@pytest.mark.parametrize("said", ["Die Boote fahren früh hinaus.", "The café is open.", "Señor, wait!"])
def test_a_single_accent_in_a_file_makes_no_chinese_of_it(said: str) -> None:
    cues = f"1\n00:00:01,000 --> 00:00:02,000\n{said}\n\n2\n00:00:03,000 --> 00:00:04,000\nplain words\n"
    assert texts(cues.encode("cp1252"), "a.srt") == [said, "plain words"]


def test_the_language_is_the_file_s_own_or_its_name_s() -> None:
    cues = vtt((1, 2, "words"))
    assert read(cues, "talk.de.vtt").language == "de"
    assert read(cues, "talk.pt-BR.vtt").language == "pt"
    assert read(cues, "talk.vtt").language is None
    assert read(cues, "talk.xx.vtt").language is None
    assert read(cues.replace("WEBVTT", "WEBVTT\nLanguage: fr", 1), "talk.de.vtt").language == "fr"


def test_hostile_text_is_only_text() -> None:
    data = vtt(
        (1, 2, "<script>alert(1)</script>hello"),
        (3, 4, "&lt;script&gt;alert(2)&lt;/script&gt;"),
        (5, 6, "<img src=x onerror=alert(3)>picture"),
        (7, 8, "bell\x07 and \x1b[31mred\u202e evil\u200b"),
        (9, 10, "' OR 1=1 --"),
        (11, 12, "1 < 2 and 3 > 2"),
    )
    found = texts(data)
    assert found == [
        "hello",
        "<script>alert(2)</script>",
        "picture",
        "bell and [31mred evil",
        "' OR 1=1 --",
        "1 < 2 and 3 > 2",
    ]
    shown = to_vtt(read(data))
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_cues_are_put_in_order_and_do_not_overlap() -> None:
    found = read(vtt((10, 20, "second"), (1, 12, "first"), (30, 29, "no length"), (10, 15, "at once"))).segments
    assert [(each.start, each.end, each.text) for each in found] == [
        (1.0, 10.0, "first"),
        (10.0, 20.0, "second"),
        (10.0, 15.0, "at once"),
        (30.0, 31.0, "no length"),
    ]


def test_cues_are_clipped_to_the_video() -> None:
    found = read(vtt((1, 2, "in"), (9, 30, "half"), (10, 12, "out"), (50, 51, "far out")), duration=10.0).segments
    assert [(each.start, each.end, each.text) for each in found] == [(1.0, 2.0, "in"), (9.0, 10.0, "half")]


def test_captions_of_another_video_are_refused() -> None:
    with pytest.raises(PermanentError, match="after the video's end"):
        read(vtt((100, 102, "late")), duration=10.0)


def test_rolling_captions_say_every_word_once() -> None:
    """What YouTube's automatic captions look like: two lines, the upper one shown before."""
    data = vtt(
        (0, 2, " \nthe boats leave"),
        (2, 2.01, "the boats leave\n "),
        (2.01, 4, "the boats leave\nthe harbour at dawn"),
        (4, 4.01, "the harbour at dawn\n "),
        (4.01, 6, "the harbour at dawn\nand the herons"),
        (6, 6.01, "and the herons\n "),
        (6.01, 8, "and the herons\nwait for fish"),
    )
    found = read(data)
    assert to_text(found) == "the boats leave the harbour at dawn and the herons wait for fish\n"
    assert [each.start for each in found.segments] == [0.0, 2.01, 4.01, 6.01]
    assert found.segments[-1].end == 8.0


def test_captions_that_grow_word_by_word_say_every_word_once() -> None:
    words = ["the", "tide", "falls", "before", "the", "storm"]
    data = vtt(*((at, at + 1, " ".join(words[: at + 1])) for at in range(len(words))))
    assert to_text(read(data)) == "the tide falls before the storm\n"


def test_what_people_repeat_on_purpose_stays() -> None:
    said = ["Where?", "No.", "No.", "Not here.", "Here.", "Yes."]
    assert texts(vtt(*((at * 2, at * 2 + 2, text) for at, text in enumerate(said)))) == said


def test_a_cue_given_twice_counts_once() -> None:
    assert texts(vtt((1, 2, "same"), (1, 2, "same"), (3, 4, "other"))) == ["same", "other"]


def test_a_file_without_speech_is_an_empty_transcript() -> None:
    assert read("WEBVTT\n\n").segments == ()
    assert read(vtt((1, 2, "<i></i>"))).segments == ()


@pytest.mark.parametrize("data", [b"", b"\x00\x01\x02" * 50, b"\xff\xd8\xff\xe0 a picture", b"just a letter"])
def test_what_is_no_caption_file_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(PermanentError, match=r"hold no cues: give a WebVTT") as raised:
        read(data, "bad\nname\x1b.srt")
    assert "\n" not in str(raised.value)
    assert "\x1b" not in str(raised.value)


def test_too_large_a_file_is_refused() -> None:
    with pytest.raises(PermanentError, match="too large"):
        read(b" " * (captions.MAX_BYTES + 1))


def test_too_many_cues_are_refused() -> None:
    with pytest.raises(PermanentError, match="too many cues"):
        read("WEBVTT\n\n" + "00:01.000 --> 00:02.000\nx\n\n" * (captions.MAX_CUES + 5))


@pytest.mark.parametrize(
    "data",
    [
        "WEBVTT\n\n00:01.000 --> 00:02.000\n" + "<" * 2_000_000,
        "WEBVTT\n\n00:01.000 --> 00:02.000\n" + "<script>" * 100_000,
        "WEBVTT\n\n00:01.000 --> 00:02.000\n" + "<script></style>" * 100_000,
        "WEBVTT\n\n00:01.000 --> 00:02.000\n" + "<!--" * 200_000,
        "WEBVTT\n\n00:01.000 --> 00:02.000\n" + ">> " * 300_000,
        "WEBVTT\n\n" + "00:01.000 --> " * 100_000,
        "WEBVTT\n\n" + "9" * 1_000_000 + ":00.000 --> 00:02.000\nx\n",
        "1\n00:00:01,000 --> 00:00:02,000\n" + "{\\" * 500_000,
    ],
    ids=["brackets", "scripts", "crossed", "comments", "speakers", "arrows", "digits", "styles"],
)
def test_text_made_to_take_for_ever_is_read_in_seconds(data: str) -> None:
    started = time.process_time()
    for name in ("a.vtt", "a.srt"):
        with suppress(PermanentError):
            to_vtt(read(data, name))
    assert time.process_time() - started < 8


@given(st.binary(max_size=400))
def test_any_bytes_give_a_transcript_that_passes_or_a_permanent_error(data: bytes) -> None:
    for name in ("a.vtt", "a.srt"):
        try:
            found = read(b"WEBVTT\n\n00:01.000 --> 00:05.000\n" + data, name, 10.0)
        except PermanentError:
            continue
        assert all(check.passed for check in transcript_checks(found, 10.0, has_audio=True))


line = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=120)
cue = st.tuples(st.floats(0, 50), st.floats(0.1, 9), line)


@given(st.lists(cue, max_size=12))
def test_captions_written_and_read_again_say_the_same(cues: list[tuple[float, float, str]]) -> None:
    """Written as WebVTT and read again: the same words in the same order, in the same time."""
    segments = [
        Segment(start=start, end=start + length, text=text)
        for (start, length, _), text in zip(
            sorted(cues), (" ".join(clean_text(each[2]).split()) for each in sorted(cues)), strict=True
        )
        if text and ">>" not in text
    ]
    first = Transcript(segments=tuple(segments), source="captions", duration_seconds=60.0)
    written = to_vtt(first)
    again = read_captions(written.encode(), "a.vtt", 60.0)
    cues_written = list(captions.parse(written, srt=False))
    if not captions.is_rolling(cues_written) and len(set(cues_written)) == len(cues_written):
        assert letters(again) == letters(first)
    assert all(check.passed for check in transcript_checks(again, 60.0, has_audio=True))


def letters(transcript: Transcript) -> str:
    """All that is said, without spaces: lines may be broken anywhere in scripts without them."""
    return "".join("".join(each.text.split()) for each in transcript.segments)
