"""`video-assets account`: the way in for whoever has a shell."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from video_assets.accounts.signing_in import sign_up
from video_assets.clock import utc_now
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets_tests.cli.conftest import Said


def test_it_names_an_admin_and_shuts_somebody_out(command: Callable[..., Said]) -> None:
    with closing(Systems(Settings.load())) as systems:
        for name in ("ada", "bob"):
            sign_up(
                systems.database,
                email=f"{name}@example.org",
                name=name.title(),
                password="correct horse",
                how="open",
                invitation=None,
                now=utc_now(),
                address="",
            )
    assert command("account", "BOB@example.org").out == "bob@example.org (Bob): uploader\n"
    assert command("account", "bob@example.org", "--role", "admin").out == "bob@example.org (Bob): admin\n"
    shut = command("account", "ada@example.org", "--disable")
    assert shut.out == "ada@example.org (Ada): admin, disabled\n"
    assert command("account", "ada@example.org", "--enable").out == "ada@example.org (Ada): admin\n"


def test_nobody_of_this_address_is_said_in_a_line(command: Callable[..., Said]) -> None:
    said = command("account", "eve@example.org")
    assert (said.code, said.out) == (1, "")
    assert said.err == "video-assets: there is no account of eve@example.org; it signs up over HTTP first\n"
