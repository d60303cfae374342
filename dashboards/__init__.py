"""Streamlit pages: they read named queries with the viewer's teams bound, and decide nothing.

Never imported by, and never importing, ``pipelines``.
"""
