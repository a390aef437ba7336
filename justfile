# Names for what `.ci/run` does, where each command stands once. Nobody needs `just`: `.ci/run lints` is the same.

# All that must hold before a change lands
all:
    .ci/run

# The form of the code
form:
    .ci/run form

# Clippy, whose warnings are errors
lints:
    .ci/run lints

# The documents of the library
documents:
    .ci/run documents

# Licences, sources, bans, double versions; advisories where cargo-deny is installed
dependencies:
    .ci/run dependencies

# Other people's carriers and clients, for the tests with them
peers:
    .ci/run peers

# Every test, those with other people's software among them
tests:
    .ci/run tests

# Known misspellings in what people read
spelling:
    .ci/run spelling

# The ways of README, docs/HOSTING.md and docs/ADD_A_PROVIDER.md, from an empty HOME
walks:
    .ci/run walks

# The README's first command
demo:
    .ci/run demo

# The crash points: none is in the program that people build
release:
    .ci/run release

# The tool list and the README's table are meant to be as they are now
snapshots:
    .ci/run snapshots

# Every test three times while every core is busy
load:
    .ci/run load

# The figures of the README
benches:
    .ci/run benches
