"""`video-assets doctor`: tries everything that the system depends on."""

from __future__ import annotations

import click

from video_assets.cli.render.output import Output, json_option, pass_output


@click.command()
@json_option
@pass_output
def doctor(output: Output, as_json: bool) -> int:
    """Try everything the system depends on, and say what is wrong and what to do about it. The exit status is
    1 where something is.

    \b
    video-assets doctor
    video-assets doctor --json | jq '.findings[] | select(.ok | not)'
    """
    from video_assets.cli.doctor.checks import examine
    from video_assets.settings import Settings

    findings = examine(Settings.load())
    if as_json:
        output.document(
            {
                "ok": all(finding.ok for finding in findings),
                "findings": [finding.__dict__ for finding in findings],
            }
        )
    else:
        from video_assets.cli.render.format import safe
        from video_assets.cli.render.tables import table

        picture = table("", "what", ">ms", "found")
        for finding in findings:
            mark = safe("ok", style="green") if finding.ok else safe("WRONG", style="bold red")
            # The latency of an open connection, where it was measured; else the duration of the whole examination.
            taken = finding.milliseconds if finding.latency_ms is None else finding.latency_ms
            found = f"{finding.version}: {finding.found}" if finding.version else finding.found
            picture.add_row(mark, finding.name, f"{taken:.1f}", safe(found, 500))
        output.say(picture)
    return 0 if all(finding.ok for finding in findings) else 1
