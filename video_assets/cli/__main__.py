"""`python -m video_assets.cli`."""

from video_assets.cli.app import main

main()
