"""``ringback aws``: an application without servers. Each command is a module beside this one."""

from __future__ import annotations

import typer

from ringback.cli.commands.aws import cost, deploy, destroy, local, logs, redrive, template

application = typer.Typer(
    help="Run an application on AWS without servers.", no_args_is_help=True, rich_markup_mode=None
)


@application.callback()
def _all() -> None:
    """Run an application on AWS without servers."""


# In the order in which one comes to need them.
application.command()(cost.cost)
application.command()(template.template)
application.command()(deploy.deploy)
application.command()(logs.logs)
application.command()(redrive.redrive)
application.command()(destroy.destroy)
application.command()(local.local)
