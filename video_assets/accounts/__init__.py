"""Accounts: who somebody is, what they may do, who may see a video, and what they changed.

Passwords, tokens, roles, visibility, share links, invitations and the audit trail belong here; what may be done is
decided by pure functions (`permissions`). How a request carries a token, and routes, are not here.
"""
