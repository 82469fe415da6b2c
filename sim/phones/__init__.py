"""Scripted telephones: softphones on pjsua2, a bare SIP agent on asyncio, SIPp, and audio checks.

May import pjsua2 and ctid's clock and tasks; the product never imports it.
"""
