"""One small table for tests of the database itself."""

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, func, insert, select

from ferrata.infra.database import Database

notes = Table("notes", MetaData(), Column("id", Integer, primary_key=True), Column("text", String, nullable=False))


async def make(database: Database) -> None:
    await database.write(notes.metadata.create_all)


def add(number: int, text: str = "x") -> object:
    def work(connection: Connection) -> int:
        connection.execute(insert(notes).values(id=number, text=text))
        return number

    return work


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(notes)).scalar_one()


def ids(connection: Connection) -> list[int]:
    return list(connection.execute(select(notes.c.id).order_by(notes.c.id)).scalars())
