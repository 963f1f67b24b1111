"""Decisions about the life of a video: pure functions, no session, no clock, no orchestrator."""
