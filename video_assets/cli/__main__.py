"""`python -m video_assets.cli`."""

from video_assets.cli import main

main()
