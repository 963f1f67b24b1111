"""`video-assets account`: looks an account up, and changes its role. For whoever has a shell here: the first admin of a
house whose users came from the service before, and an admin who has lost his password."""

from __future__ import annotations

import click

from video_assets.cli.render.output import Output, pass_output


@click.command()
@click.argument("email")
@click.option("--role", type=click.Choice(["viewer", "uploader", "operator", "admin"]), help="The role it gets.")
@click.option("--disable/--enable", default=None, help="Let it in no more, or again.")
@click.option("--new-password", is_flag=True, help="Ask for a new password; it is signed out everywhere.")
@pass_output
def account(output: Output, email: str, role: str | None, disable: bool | None, new_password: bool) -> None:
    """Show the account of EMAIL, and change it: the first admin of a house whose users came from the service
    before, or a forgotten password.

    \b
    video-assets account ada@example.org
    video-assets account ada@example.org --role admin
    video-assets account ada@example.org --new-password
    """
    from contextlib import closing

    from video_assets.accounts import audit, passwords, rows
    from video_assets.accounts.permissions import Principal, Role
    from video_assets.accounts.signing_in import clean_email
    from video_assets.clock import utc_now
    from video_assets.errors import PermanentError
    from video_assets.settings import Settings
    from video_assets.systems import Systems

    address, now = clean_email(email), utc_now()
    with closing(Systems(Settings.load())) as systems:
        with systems.database.read() as session:
            found = rows.by_email(session, address)
        if found is None:
            raise PermanentError(f"there is no account of {address}; it signs up over HTTP first")
        user, hashed = found[0], None
        if new_password:
            word = click.prompt("New password", hide_input=True, confirmation_prompt=True, err=True)
            passwords.check(word)
            hashed = passwords.hash_password(word)
        with systems.database.write() as session:
            if role is not None or disable is not None:
                rows.set_role(session, user.id, Role(role) if role else user.role, now=now)
                session.flush()
            if disable is not None:
                rows.set_disabled(session, user.id, disable)
            if hashed is not None:
                rows.set_password_hash(session, user.id, hashed, now=now)
                rows.revoke_sessions(session, user.id, now=now)
            if role or disable is not None or hashed:
                audit.note(
                    session,
                    Principal(),
                    "user.change",
                    at=now,
                    address="this machine",
                    user=user.id,
                    role=role,
                    disabled=disable,
                    password=hashed is not None,
                )
            session.flush()
            session.expire_all()
            user = rows.by_id(session, user.id) or user
    output.say(f"{user.email} ({user.name}): {user.role.value}{', disabled' if user.disabled else ''}")
