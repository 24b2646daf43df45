"""Run under strace by test_sqlite_faults: writes twenty rows one by one and says of each whether it was kept."""

import asyncio
import sys
from pathlib import Path

from sqlalchemy import text

from ferrata.infra.database.sqlite import SqliteDatabase
from ferrata.infra.errors import StorageUnavailable
from ferrata.kit.clock import SystemClock


async def main(path: Path) -> None:
    database = SqliteDatabase(path, SystemClock())
    for _ in range(10):
        try:
            await database.write(
                lambda connection: connection.execute(text("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY)"))
            )
            break
        except StorageUnavailable:
            continue
    for number in range(20):
        try:
            await database.write(lambda connection, n=number: connection.execute(text("INSERT INTO notes VALUES (:n)"), {"n": n}))
            print(number, "kept", flush=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, its name is what the test looks at
            print(number, type(error).__name__, flush=True)


asyncio.run(main(Path(sys.argv[1])))
