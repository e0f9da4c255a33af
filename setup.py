"""How lackey is packaged. `requirements.txt` pins what is named here, and says how it is made."""

import re
from pathlib import Path

from setuptools import find_namespace_packages, setup

VERSION = re.search(r'__version__ = "(.+)"', Path(__file__).with_name("lackey").joinpath("__init__.py").read_text())
assert VERSION

setup(
    name="lackey",
    version=VERSION[1],
    description="Schedules, launches, follows and records the runs of simulations",
    author="The lackey authors",
    license="MIT",
    python_requires=">=3.11",
    # Namespace packages, because folders of examples, templates and migrations are no Python packages of their own.
    packages=find_namespace_packages(include=["lackey", "lackey.*"], exclude=["*.node_modules*", "*.__pycache__"]),
    package_data={
        "": ["py.typed", "*.json", "*.sh", "*.mako", "*.html", "*.css", "*.js", "*.svg"],
        # What scripts/assets has brought; the names of the folders have dots, so they are no packages.
        "lackey.web": ["static/vendor/*/*"],
    },
    install_requires=[
        "alembic>=1.13",
        "bottle>=0.13",
        "click>=8.1",
        "cronsim>=2.6",
        "jinja2>=3.1",
        "psutil>=5.9",
        "psycopg[binary]>=3.1",
        "pydantic>=2.7",
        "pydantic-settings>=2.3",
        "python-multipart>=0.0.18",
        "requests>=2.31",
        "rich>=13",
        "sqlalchemy>=2.1",
        "tzdata>=2024.1",
    ],
    entry_points={"console_scripts": ["lackey = lackey.cli:main"]},
)
