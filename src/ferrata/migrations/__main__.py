"""Writes the migration from what the history makes to what the tables say: to be read, and mended, before it is committed."""

import re
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory

from ferrata.infra.database.sqlite import sqlite_engine
from ferrata.infra.migrate import config, upgrade


def main(message: str) -> None:
    settings = config()
    last = ScriptDirectory.from_config(settings).get_current_head()
    number = f"{int(last or 0) + 1:04d}"
    name = "_".join(re.findall(r"[a-z0-9]+", message.lower())[:6])
    settings.set_main_option("file_template", f"{number}_{name}")
    with tempfile.TemporaryDirectory() as folder:
        engine = sqlite_engine(Path(folder) / "empty.db")
        upgrade(engine)
        with engine.begin() as connection:
            settings.attributes["connection"] = connection
            command.revision(settings, message, autogenerate=True, rev_id=number)
        engine.dispose()


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
