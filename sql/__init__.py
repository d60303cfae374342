"""The only package that knows ClickHouse: migrations, statements in files, the client and the local warehouse.

Nothing here knows Dagster, Streamlit or a source format beyond its SQL files.
"""
