"""What the terminal says: where to click, what to paste, how to break something and mend it again. Pure."""

from pathlib import Path

from ferrata.demo.folder import Papers


def first_event(papers: Papers) -> str:
    return f"""curl -sS -i {papers.app_url}/events \\
  -H 'Authorization: Bearer {papers.api_token}' \\
  -H 'Content-Type: application/json' \\
  -d '{{"eventName": "My First Event", "email": "you@example.com", "value": 19.9, "currency": "EUR"}}'"""


def turn_key(papers: Papers, *, revoked: bool) -> str:
    body = f'{{"revoked": {str(revoked).lower()}}}'
    return f"curl -sS -X PATCH {papers.sandbox_url}/_sandbox/keys/{papers.klaviyo_api_key} -d '{body}'"


def outage(papers: Papers) -> str:
    return f"""curl -sS -X POST {papers.sandbox_url}/_sandbox/outage -d '{{"mode": "refuse", "seconds": 30}}'"""


def welcome(papers: Papers, kept_in: Path, *, continued: bool) -> str:
    """The whole of it."""
    running = f"Ferrata is running{', on the data of the last time' if continued else ''}."
    parts = [_experiments(papers)] if papers.sandbox_url else []
    opening = running if papers.sandbox_url else f"{running}\n\n{_OWN_ACCOUNT}"
    end = f"All addresses, keys and tokens: {kept_in}\nCtrl-C ends everything; the next start continues here."
    return "\n".join(["", opening, _doors(papers), *parts, end, ""])


_OWN_ACCOUNT = """This uses YOUR Klaviyo account. There is no example shop and no traffic, and nothing is sent by itself:
the first event that you send is the first that reaches your account. Klaviyo drops those of example.com unseen, so put
an address of your own into the command below."""


def _doors(papers: Papers) -> str:
    sandbox = f"\n  Klaviyo's stand-in    {papers.sandbox_url}/_sandbox/" if papers.sandbox_url else ""
    return f"""
  Open                  {papers.sign_in_url}   (signs you in)
  or sign in at         {papers.app_url}/sign-in   {papers.admin_email}   {papers.admin_password}
  API, to read and try  {papers.app_url}/api{sandbox}

Send an event of your own:

{first_event(papers)}
"""


def _experiments(papers: Papers) -> str:
    return f"""Break the key, and watch the lane park on the overview while events keep coming in:

{turn_key(papers, revoked=True)}

Mend it, and watch what waited leave:

{turn_key(papers, revoked=False)}

Take Klaviyo away for half a minute:

{outage(papers)}
"""
