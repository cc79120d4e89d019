"""The ClickHouse engine (chDB, in process) behind ClickHouse's own HTTP protocol, on loopback.

What belongs here: a stand-in for one machine, so that unmodified clients have one code path for it and for a real server.
What does not: anything that knows this product's tables. `python -m energy_assets.embedded.clickhouse` serves.

sql.py reads statements, sessions.py keeps what they leave, protocol.py speaks HTTP's side, compression.py bodies,
access.py users and what they may do, query_log.py what of it is written down; engine.py is the only module that touches chDB, app.py joins them,
__main__.py is the process.
"""
