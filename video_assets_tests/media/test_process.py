"""The door: what goes through it is limited, watched, and never left behind."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import imageio_ffmpeg
import psutil
import pytest

from video_assets.errors import PermanentError, TransientError
from video_assets.media.sandbox import confine, process, program
from video_assets.media.sandbox.process import Limits, Progress, explain, input_args, progress, run_ffmpeg, run_python
from video_assets.media.sandbox.watchdog import Ended, ProgressWatch, RunQueueWait, waited_nanoseconds
from video_assets_tests.media.clips import make_clip

LIMITS = Limits(address_space_bytes=4 << 30, cpu_seconds=60, file_bytes=1 << 28, wall_seconds=60, stall_seconds=30)
ENDLESS = ["-re", "-f", "lavfi", "-i", "testsrc2", "-f", "null", "-"]


def decoding(path: Path) -> list[str]:
    return [*input_args(path), "-f", "null", "-"]


def limits(**changes: float) -> Limits:
    return Limits(**{**vars(LIMITS), **changes})


def children_of(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(condition: Callable[[], object], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", seconds=2)


def test_an_honest_file_goes_through_and_progress_reaches_the_end(clip: Path) -> None:
    seen: list[Progress] = []
    run_ffmpeg(decoding(clip), limits=LIMITS, reads=[clip], duration=2, on_progress=seen.append, what="x")
    assert seen[-1].fraction == pytest.approx(1.0, abs=0.05)
    assert seen[-1].seconds_done == pytest.approx(2.0, abs=0.1)


NAMES = ["-y.mp4", "a'b\"c.mp4", "new\nline.mp4", "$(touch x).mp4", "%05d.mp4", "ü" * 120 + ".mp4"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_name_is_data(clip: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(clip.read_bytes())
    run_ffmpeg(decoding(path), limits=LIMITS, reads=[path], what="x")
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{canary}\n#EXT-X-ENDLIST\n"
LISTS = {
    "hls": ("film.mp4", HLS),
    "hls by its name": ("film.m3u8", HLS),
    "concat": ("film.mp4", "ffconcat version 1.0\nfile '{canary}'\n"),
    "concat of a neighbour": ("film.mp4", "ffconcat version 1.0\nfile canary.mp4\n"),
    "sdp": (
        "film.sdp",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    ),
    "dash": (
        "film.mpd",
        "<?xml version='1.0'?><MPD><Period><AdaptationSet><Representation><BaseURL>{canary}</BaseURL>"
        "</Representation></AdaptationSet></Period></MPD>",
    ),
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_dressed_as_a_video_is_refused_and_opens_nothing(tmp_path: Path, kind: str) -> None:
    name, text = LISTS[kind]
    # A FIFO shows any open: a reader would make our non-blocking open for writing succeed.
    canary = tmp_path / "canary.mp4"
    os.mkfifo(canary)
    disguised = tmp_path / name
    disguised.write_text(text.format(canary=canary))
    opened = threading.Event()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            try:
                os.close(os.open(canary, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                done.wait(0.001)
            else:
                opened.set()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    with pytest.raises(PermanentError):
        run_ffmpeg(decoding(disguised), limits=limits(wall_seconds=5), reads=[disguised, canary], what="x")
    done.set()
    watcher.join()
    assert not opened.is_set()


def test_no_address_but_a_file_s_is_taken(clip: Path) -> None:
    options = [part for name, value in process.input_options().items() for part in (f"-{name}", value)]
    with pytest.raises(PermanentError, match="a list of others"):
        run_ffmpeg([*options, "-i", f"concat:{clip}|{clip}", "-f", "null", "-"], limits=LIMITS, reads=[clip], what="x")


def test_a_truncated_file_is_refused_instead_of_giving_half_a_video(clip: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(clip.read_bytes()[: clip.stat().st_size * 6 // 10])
    with pytest.raises(PermanentError, match="upload it again"):
        run_ffmpeg(decoding(broken), limits=LIMITS, reads=[broken], duration=2, what="x")


@pytest.fixture(autouse=True)
def _children_before() -> None:
    """Other tests of the same session may have children that live on (multiprocessing's resource tracker)."""
    BEFORE[:] = children_of(os.getpid())


BEFORE: list[int] = []


def new_children() -> list[int]:
    """Children that this test has started and that are still there."""
    return [child for child in children_of(os.getpid()) if child not in BEFORE]


def test_a_job_without_progress_is_ended(tmp_path: Path) -> None:
    fifo = tmp_path / "never.mp4"
    os.mkfifo(fifo)
    before = time.monotonic()
    with pytest.raises(PermanentError, match="nothing came out"):
        run_ffmpeg(decoding(fifo), limits=limits(stall_seconds=1), reads=[fifo], what="x")
    assert time.monotonic() - before < 10
    assert new_children() == []


def test_telling_the_same_over_and_over_is_no_progress() -> None:
    """FFmpeg reports twice a second whether or not it comes on."""
    watch, ended = ProgressWatch(None, 0.05, None), []

    def still() -> bool:
        watch.feed(b"frame=7\nout_time_us=280000\ntotal_size=99\nprogress=continue\n")
        try:
            watch.check(os.getpid())
        except Ended as reason:
            ended.append(str(reason))
        return bool(ended)

    assert wait_until(still, 5)
    assert ended[0].startswith("nothing came out of the file")


@pytest.fixture
def crowd() -> Iterator[list[int]]:
    """Four processes that all want the same processor the whole time."""
    one = min(os.sched_getaffinity(0))
    busy = f"import os; os.sched_setaffinity(0, {{{one}}})\nprint(flush=True)\nwhile True: pass"
    crowd = [subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE) for _ in range(4)]
    try:
        for each in crowd:
            assert each.stdout is not None
            assert each.stdout.readline()
        yield [each.pid for each in crowd]
    finally:
        for each in crowd:
            each.kill()
            each.communicate()


counted = pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="nobody counts here who waits for the processor"
)


@counted
def test_waiting_for_the_processor_is_no_standstill(crowd: list[int]) -> None:
    """Each of four has a quarter of a processor: of four seconds without progress it is to blame for one."""
    watch, began = ProgressWatch(None, 1.5, None), time.monotonic()

    def ended() -> bool:
        try:
            watch.check(crowd[0])
        except Ended:
            return True
        return False

    assert wait_until(ended, 60)
    assert time.monotonic() - began > 2.5


@counted
def test_what_sleeps_is_not_kept_from_the_processor(crowd: list[int]) -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        sleeping, crowded, until = RunQueueWait(), RunQueueWait(), time.monotonic() + 1.5
        while time.monotonic() < until:
            sleeping.look_at(sleeper.pid)
            crowded.look_at(crowd[0])
            time.sleep(0.02)
        sleeper.kill()
    assert sleeping.seconds < 0.2
    assert 0.5 < crowded.seconds <= 1.6


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    assert waited_nanoseconds(gone.pid) == {}


def test_a_job_that_runs_far_past_its_length_is_ended() -> None:
    with pytest.raises(PermanentError, match="time stamps"):
        run_ffmpeg(["-f", "lavfi", "-i", "testsrc2", "-f", "null", "-"], limits=LIMITS, duration=1, what="x")


def test_wall_time_is_limited() -> None:
    with pytest.raises(PermanentError, match="longer than"):
        run_ffmpeg(ENDLESS, limits=limits(wall_seconds=1), what="x")


def test_processor_time_is_limited() -> None:
    args = ["-f", "lavfi", "-i", "testsrc2=size=1920x1080", "-f", "null", "-"]
    with pytest.raises(PermanentError, match="processor time"):
        run_ffmpeg(args, limits=limits(cpu_seconds=1), what="x")


def test_processor_time_is_told_where_ffmpeg_does_not_come_to_look_at_signals(tmp_path: Path) -> None:
    """It decodes one cue of megabytes for minutes, and gives up at the fourth signal."""
    cue = tmp_path / "cue.srt"
    cue.write_text("1\n00:00:00,000 --> 00:00:01,000\n" + "Herons. " * 2**19 + "\n", encoding="utf-8")
    args = ["-i", f"file:{cue}", "-c:s", "webvtt", "-f", "webvtt", f"file:{tmp_path / 'cue.vtt'}"]
    with pytest.raises(PermanentError, match="processor time"):
        run_ffmpeg(args, limits=limits(cpu_seconds=1), reads=[cue], writes=tmp_path, what="x")


def test_memory_is_limited() -> None:
    args = ["-f", "lavfi", "-i", "color=size=16000x16000:duration=1,format=gbrpf32", "-f", "null", "-"]
    with pytest.raises(PermanentError, match="takes more memory"):
        run_ffmpeg(args, limits=limits(address_space_bytes=1 << 30), what="x")


def test_the_size_of_a_written_file_is_limited(tmp_path: Path) -> None:
    args = ["-f", "lavfi", "-i", "testsrc2=duration=9", "-c:v", "rawvideo", "-f", "matroska", str(tmp_path / "x.mkv")]
    with pytest.raises(PermanentError, match="writes more"):
        run_ffmpeg(args, limits=limits(file_bytes=1 << 20), writes=tmp_path, what="x")
    assert (tmp_path / "x.mkv").stat().st_size <= 1 << 20


needs_everything = pytest.mark.skipif(
    bool(process.missing_protections()), reason="the kernel does not offer every protection"
)


@needs_everything
def test_a_child_can_do_nothing_but_read_what_it_was_given(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answers = snooped(tmp_path, server.getsockname()[1], with_exec=True)
    assert answers.pop("read") == "done"
    assert answers.pop("open files") == "OSError"
    assert set(answers.values()) == {"PermissionError"}, answers


@needs_everything
def test_ffmpeg_reads_only_what_it_was_given_and_writes_only_in_its_folder(clip: Path, tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    with pytest.raises(PermanentError, match="Permission denied"):
        run_ffmpeg(decoding(clip), limits=LIMITS, what="x")
    for folder in (inside, outside):
        args = [*input_args(clip), "-c", "copy", f"file:{folder / 'out.mp4'}"]
        if folder == inside:
            run_ffmpeg(args, limits=LIMITS, reads=[clip], writes=inside, what="x")
        else:
            with pytest.raises(PermanentError, match="Permission denied"):
                run_ffmpeg(args, limits=LIMITS, reads=[clip], writes=inside, what="x")
    assert [entry.name for entry in inside.iterdir()] == ["out.mp4"]
    assert list(outside.iterdir()) == []


def test_the_size_of_all_written_files_together_is_limited(tmp_path: Path) -> None:
    ends = [["-c:v", "rawvideo", "-f", "matroska", str(tmp_path / f"{number}.mkv")] for number in range(8)]
    args = ["-re", "-f", "lavfi", "-i", "testsrc2=duration=60", *(part for end in ends for part in end)]
    with pytest.raises(PermanentError, match="writes more"):
        run_ffmpeg(args, limits=limits(file_bytes=1 << 28, output_bytes=1 << 24), writes=tmp_path, what="x")
    assert all(path.stat().st_size < 1 << 24 for path in tmp_path.iterdir())


def test_memory_in_use_is_limited() -> None:
    args = ["-f", "lavfi", "-i", "testsrc2=size=1280x720", "-vf", "reverse", "-f", "null", "-"]
    with pytest.raises(PermanentError, match="memory"):
        run_ffmpeg(args, limits=limits(memory_bytes=400 << 20), what="x")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere memory has no limit of the kernel's")
def test_memory_is_refused_by_the_kernel_whoever_watches() -> None:
    with pytest.raises(PermanentError, match="takes more memory than is allowed"):
        run_python(
            "video_assets_tests.media.echo_child", {"say": "", "hold": 400 << 20}, limits=limits(memory_bytes=100 << 20)
        )


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere addresses have no limit")
def test_addresses_are_limited_even_if_nothing_is_held() -> None:
    given = {"say": "", "reserve": 2 << 30}
    with pytest.raises(PermanentError, match="takes more memory than is allowed"):
        run_python("video_assets_tests.media.echo_child", given, limits=limits(address_space_bytes=1 << 30))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells how much a child holds")
def test_memory_held_for_a_moment_counts() -> None:
    with pytest.raises(PermanentError, match="takes more memory than is allowed"):
        run_python(
            "video_assets_tests.media.echo_child",
            {"say": "", "spike": 300 << 20},
            limits=limits(memory_bytes=200 << 20),
        )


def test_a_child_deaf_to_requests_dies_all_the_same() -> None:
    before = time.monotonic()
    with pytest.raises(PermanentError, match="longer than"):
        run_python("video_assets_tests.media.deaf_child", {}, limits=limits(wall_seconds=1))
    assert time.monotonic() - before < 8
    assert new_children() == []


def weaken(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Lets the door's last program run with some of its protections taken away."""
    script = process._CONFINE[-1]
    code = (
        "import importlib.util as u, sys;"
        f"spec = u.spec_from_file_location('confine', {script!r}); confine = u.module_from_spec(spec);"
        f"spec.loader.exec_module(confine); {how}; confine.main()"
    )
    monkeypatch.setattr(process, "_CONFINE", (*process._CONFINE[:-1], "-c", code))


def without(*names: str) -> str:
    return "; ".join(f"confine.{name} = lambda *_, **__: False" for name in names)


ELSEWHERE = "sys.platform = 'elsewhere'"
"""As if this were no Linux."""


@needs_everything
@pytest.mark.parametrize("kept", ["leave_network", "lock_calls"])
def test_each_of_two_walls_alone_keeps_the_network_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kept: str
) -> None:
    weaken(monkeypatch, without(*{"leave_network", "lock_calls", "lock_files"} - {kept}))
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mailbox,
    ):
        server.settimeout(0.2)
        port = server.getsockname()[1]
        mailbox.bind(("127.0.0.1", port))
        mailbox.settimeout(0.2)
        answers = snooped(tmp_path, port)
        for heard in (server.accept, lambda: mailbox.recv(1)):
            with pytest.raises(TimeoutError):
                heard()
    assert answers["tcp"] != "done"


def test_the_snoop_reaches_the_network_where_nothing_holds_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weaken(monkeypatch, without("leave_network", "lock_calls", "lock_files"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert snooped(tmp_path, server.getsockname()[1])["tcp"] == "done"


def snooped(folder: Path, port: int, *, with_exec: bool = False) -> dict[str, str]:
    (folder / "upload.mp4").write_bytes(b"film")
    (folder / "beside.txt").write_bytes(b"secret")
    given = {
        "upload": str(folder / "upload.mp4"),
        "beside": str(folder / "beside.txt"),
        "port": port,
        "parent": os.getpid(),
        "exec": with_exec,
    }
    return run_python("video_assets_tests.media.snoop_child", given, limits=LIMITS, reads=[folder / "upload.mp4"])


def test_elsewhere_files_go_through_and_lists_are_refused_all_the_same(
    monkeypatch: pytest.MonkeyPatch, clip: Path, tmp_path: Path
) -> None:
    weaken(monkeypatch, ELSEWHERE)
    run_ffmpeg(decoding(clip), limits=LIMITS, reads=[clip], what="x")
    disguised = tmp_path / "film.mp4"
    disguised.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{clip}\n#EXT-X-ENDLIST\n")
    with pytest.raises(PermanentError):
        run_ffmpeg(decoding(disguised), limits=LIMITS, reads=[disguised], what="x")


def test_elsewhere_a_child_takes_its_own_children_along(monkeypatch: pytest.MonkeyPatch) -> None:
    weaken(monkeypatch, ELSEWHERE)
    with pytest.raises(PermanentError) as refused:
        run_python("video_assets_tests.media.forking_child", {}, limits=LIMITS)
    assert wait_until(lambda: not is_running(int(str(refused.value))), 5)


def test_what_a_machine_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        weaken(patch, ELSEWHERE)
        assert process.missing_protections() == [
            "children outlive a killed parent",
            "no limit on address space",
            "files beside the upload can be opened",
            "the network can be reached",
        ]
    for gone, told in (
        (["leave_network", "lock_calls"], ["the network can be reached", "children can start processes"]),
        (["lock_files"], ["files beside the upload can be opened"]),
    ):
        with monkeypatch.context() as patch:
            weaken(patch, without(*gone))
            lines = process.missing_protections()
        assert all(any(line.startswith(words) for line in lines) for words in told), lines


def answer_of(machine: str, call: int, first_argument: int = 0, architecture: int | None = None) -> str:
    """What the filter says to a system call, by a small interpreter of its own."""
    data = {0: call, 4: architecture or confine.SECCOMP[machine][0], 16: first_argument}
    lines, at, held = list(struct.iter_unpack("=HBBI", confine.seccomp_program(machine))), 0, 0
    while True:
        code, yes, no, value = lines[at]
        if code == 0x06:
            return {0x7FFF0000: "allowed", 0x00050001: "EPERM", 0x00050026: "ENOSYS"}[value]
        if code == 0x20:
            held, step = data[value], 0
        else:
            step = yes if {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[code] else no
        at += 1 + step


@pytest.mark.parametrize("machine", confine.SECCOMP)
def test_the_filter_refuses_what_it_lists_and_threads_are_made_all_the_same(machine: str) -> None:
    _, numbers = confine.SECCOMP[machine]
    for name in numbers.keys() - {"clone", "clone3"}:
        assert answer_of(machine, numbers[name]) == "EPERM", name
    assert answer_of(machine, numbers["clone3"]) == "ENOSYS"
    assert answer_of(machine, numbers["clone"], first_argument=signal.SIGCHLD) == "EPERM"
    assert answer_of(machine, numbers["clone"], first_argument=confine.CLONE_THREAD | 0xF00) == "allowed"
    assert answer_of(machine, 600) == "allowed"
    assert answer_of(machine, 600, architecture=0x40000003) == "EPERM"
    assert answer_of(machine, 0x40000000 + numbers["socket"]) == "EPERM"


@needs_everything
def test_nothing_connects() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.mp4"
        with pytest.raises(PermanentError):
            run_ffmpeg(["-i", url, "-f", "null", "-"], limits=limits(wall_seconds=5), what="x")
        with pytest.raises(TimeoutError):
            server.accept()


def test_an_exception_in_the_callback_ends_the_child() -> None:
    def refuse(_: Progress) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        run_ffmpeg(ENDLESS, limits=LIMITS, on_progress=refuse, what="x")
    assert new_children() == []


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal")
def test_a_killed_parent_leaves_nothing_running() -> None:
    code = (
        "from video_assets_tests.media.test_process import *\n"
        "run_ffmpeg(ENDLESS, limits=LIMITS, on_progress=lambda p: print('going', flush=True), what='x')"
    )
    root = str(Path(__file__).parents[2])
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"going\n"
    (child,) = children_of(parent.pid)
    assert b"ffmpeg" in Path(f"/proc/{child}/cmdline").read_bytes()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert wait_until(lambda: not is_running(child), 5)


def test_a_python_child_gets_its_payload_and_answers() -> None:
    assert run_python("video_assets_tests.media.echo_child", {"say": "x" * 200_000}, limits=LIMITS)["said"] == 200_000


def test_a_python_child_can_refuse() -> None:
    with pytest.raises(PermanentError, match=r"^not this one$"):
        run_python("video_assets_tests.media.echo_child", {"refuse": "not this\none"}, limits=LIMITS)


def test_a_child_that_crashes_leaves_no_core_file() -> None:
    assert run_python("video_assets_tests.media.echo_child", {"say": ""}, limits=LIMITS)["core"] == [0, 0]


def test_a_child_may_not_answer_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_REPORT_BYTES", 2**20)
    with pytest.raises(PermanentError, match="at too great a length"):
        run_python("video_assets_tests.media.echo_child", {"endless": True}, limits=limits(wall_seconds=20))


def test_a_python_child_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    names = run_python("video_assets_tests.media.echo_child", {"say": ""}, limits=LIMITS)["environment"]
    assert "AWS_SECRET_ACCESS_KEY" not in names


@pytest.mark.parametrize(
    ("code", "stderr", "kind", "words"),
    [
        (1, "[mp4] x: No space left on device", TransientError, "disk is full"),
        (-9, "", TransientError, "killed from outside"),
        (1, "[fatal] pthread_create() failed: Resource temporarily unavailable", TransientError, "its threads"),
        (-11, "", PermanentError, "damaged"),
        (-24, "", PermanentError, "processor time"),
        (1, "x264 [error]: malloc of size 9 failed", PermanentError, "takes more memory than is allowed"),
        (1, "[error] moov atom not found", PermanentError, "damaged"),
        (1, "[a @ 0x1] [error] Something odd\n", PermanentError, "the encoding failed (Something odd); convert"),
        (1, "", PermanentError, "exit status 1"),
    ],
)
def test_what_went_wrong_is_told_in_one_line(code: int, stderr: str, kind: type[Exception], words: str) -> None:
    error = explain(code, stderr, 0.0, None, "the encoding")
    assert isinstance(error, kind)
    assert words in str(error)
    assert "\n" not in str(error)


def test_a_file_that_ends_early_is_told_with_its_seconds() -> None:
    error = explain(1, "Error while decoding", 12.3, 60.0, "the encoding")
    assert str(error) == "the file breaks off or is damaged after 12 s of 60 s; upload it again, or convert it first"


def test_threads_that_cannot_start_are_the_fault_of_who_holds_the_memory() -> None:
    said = "[fatal] pthread_create() failed: Resource temporarily unavailable"
    assert isinstance(explain(1, said, 0.0, None, "x", held=0.1), TransientError)
    assert "takes more memory than is allowed" in str(explain(1, said, 0.0, None, "x", held=0.9))


def test_progress_is_bounded_and_knows_what_is_left() -> None:
    assert progress(5, 10, 2.0) == Progress(5, 0.5, 2.0, 2.5)
    assert progress(11, 10, 2.0) == Progress(11, 1.0, 2.0, 0.0)
    assert progress(5, None, None) == Progress(5, None, None, None)


@pytest.mark.parametrize("told", ["ffmpeg", None])
def test_the_ffmpeg_that_came_along_is_taken_although_the_look_at_it_was_broken_off(
    monkeypatch: pytest.MonkeyPatch, told: str | None
) -> None:
    """The library runs it once to see that it is one. Killed in that, it named the system's, or none."""
    ours = program.ffmpeg()

    def broken_off() -> str:
        if told is None:
            raise RuntimeError("No ffmpeg exe could be found")
        return told

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", broken_off)
    assert program.ffmpeg() == ours
    monkeypatch.setattr(imageio_ffmpeg, "__file__", "/nowhere/imageio_ffmpeg/__init__.py")
    if told is None:
        with pytest.raises(PermanentError, match="there is no FFmpeg here"):
            program.ffmpeg()
    else:
        assert program.ffmpeg() == told
