"""`concord demo`: a short conversation of three people through the public API of the running gateway."""

import os
import secrets

import click

from cli.commands.demo_client import Person, fetch
from cli.launcher.service_process import gateway_address

RECIPE = b"Three minutes, not a second more."


@click.command()
@click.option("--url", help="Address of the gateway; default: the one of this environment.")
def demo(url: str | None) -> None:
    """Play a conversation through the public HTTP API and print each step."""
    # Not PUBLIC_URL: that address is for clients elsewhere and may not be reachable from here.
    base = url or f"http://localhost:{gateway_address(os.environ)[1]}"
    click.echo(f"Three people meet at {base}")
    ada, ben, cleo = (sign_up(base, name) for name in ("Ada", "Ben", "Cleo"))
    server_id, channel_id = create_server(ada)
    invite(ada, server_id, [ben, cleo])
    talk(channel_id, ada, ben, cleo)
    share(channel_id, ada, ben)
    click.echo("Done. The same calls, to try out by hand: " + base + "/api/docs")


def sign_up(base: str, name: str) -> Person:
    """Sign up; the e-mail address is a new one each time, so that the demo can be repeated."""
    email = f"{name.lower()}.{secrets.token_hex(4)}@example.org"
    person = Person(base, name, email, secrets.token_urlsafe(16))
    click.echo(f"  {name} signs up as {email}")
    return person


def create_server(owner: Person) -> tuple[str, str]:
    """Create a server and a channel in it; return both ids."""
    server = owner.call("POST", "/api/servers", {"name": "Tea house"})
    click.echo(f'  {owner.name} opens the server "{server["name"]}" with the channel "general"')
    channel = owner.call("POST", f"/api/servers/{server['id']}/channels", {"name": "oolong", "type": "TEXT"})
    click.echo(f'  {owner.name} adds the channel "{channel["name"]}"')
    return server["id"], channel["id"]


def invite(owner: Person, server_id: str, guests: list[Person]) -> None:
    """Create an invite for exactly these guests, who accept it."""
    code = owner.call("POST", f"/api/servers/{server_id}/invites", {"maxUses": len(guests)})["code"]
    click.echo(f"  {owner.name} makes the invite {code} for {len(guests)} people")
    for guest in guests:
        guest.call("POST", f"/api/invites/{code}")
        click.echo(f"  {guest.name} joins by it")


def talk(channel_id: str, ada: Person, ben: Person, cleo: Person) -> None:
    """Send, edit and delete messages, and print the history."""
    path = f"/api/channels/{channel_id}/messages"
    say(path, ada, "Welcome! The water is hot.")
    question = say(path, ben, "Is their any oolong left?")
    mistake = say(path, cleo, "wrong window, sorry")
    ben.call("PATCH", f"{path}/{question}", {"content": "Is there any oolong left?"})
    click.echo("  Ben corrects the spelling")
    cleo.call("DELETE", f"{path}/{mistake}")
    click.echo("  Cleo takes hers back")
    say(path, ada, "A whole tin of it.")
    click.echo("  The history, as Cleo reads it:")
    for message in reversed(cleo.call("GET", f"{path}?limit=10")["items"]):
        edited = " (edited)" if message["editedAt"] else ""
        click.echo(f"    {message['sequence']}. {message['content']}{edited}")


def share(channel_id: str, ada: Person, ben: Person) -> None:
    """Announce a file, send it to S3, complete it, attach it to a message, and read it as another user."""
    announced = {
        "channelId": channel_id,
        "name": "recipe.txt",
        "size": len(RECIPE),
        "contentType": "text/plain",
    }
    made = ada.call("POST", "/api/files", announced)
    fetch(made["upload"]["method"], made["upload"]["url"], RECIPE, made["upload"]["headers"])
    file = ada.call("POST", f"/api/files/{made['file']['id']}/complete")
    message = {"content": "The recipe is attached.", "attachments": [file["id"]]}
    ada.call("POST", f"/api/channels/{channel_id}/messages", message)
    click.echo(f"  {ada.name} shares {file['name']}, {file['size']} bytes")
    body = fetch("GET", ben.redirect_target(f"/api/files/{file['id']}/content"))
    click.echo(f"  {ben.name} reads it: {body.decode()}")


def say(path: str, person: Person, content: str) -> str:
    """Send a message; returns its id."""
    message = person.call("POST", path, {"content": content})
    click.echo(f"  {person.name}: {content}")
    message_id: str = message["id"]
    return message_id
