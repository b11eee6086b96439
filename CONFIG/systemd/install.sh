#!/usr/bin/env bash
# Install the engine as a systemd service, or stage it under DESTDIR for a package. Running it again updates the code
# and leaves settings, secrets, state and logs alone. It starts nothing.
#
#   sudo CONFIG/systemd/install.sh                  to /opt/live-trading
#   sudo PREFIX=/srv/trading CONFIG/systemd/install.sh
#   DESTDIR=/tmp/stage CONFIG/systemd/install.sh    files only: no user, no environment, no systemctl
set -euo pipefail

PREFIX=${PREFIX:-/opt/live-trading}
DESTDIR=${DESTDIR:-}
PYTHON=${PYTHON:-python3.11}
NAME=live-trading
SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TARGET=$DESTDIR$PREFIX
UNIT=$DESTDIR/etc/systemd/system/$NAME.service
SETTINGS=$DESTDIR/etc/$NAME/$NAME.env

say() { printf '%s\n' "$*"; }
fail() { say "install.sh: $*" >&2; exit 2; }

[[ $PREFIX == /* ]] || fail "PREFIX=$PREFIX: give an absolute path"
[[ $PREFIX =~ ^[A-Za-z0-9._/-]+$ ]] || fail "PREFIX=$PREFIX: letters, digits, . _ - and / only"
[[ -n $DESTDIR || $EUID -eq 0 ]] || fail "run it as root, or stage the files with DESTDIR=folder"
[[ $SOURCE != "$(realpath -m "$TARGET")" ]] || fail "$SOURCE: is the installation itself; run it from a checkout"

# code: replaced as a whole, so that nothing old stays importable
install -d -m 0755 "$TARGET"
for folder in LIVE_TRADING bin docs; do
  [[ -d $SOURCE/$folder || $folder != docs ]] || continue
  rm -rf "${TARGET:?}/$folder.new"
  cp -R "$SOURCE/$folder" "$TARGET/$folder.new"
  find "$TARGET/$folder.new" -name __pycache__ -type d -prune -exec rm -rf {} +
  rm -rf "${TARGET:?}/$folder"
  mv "$TARGET/$folder.new" "$TARGET/$folder"
done
for file in pyproject.toml constraints.txt Makefile README.md; do
  [[ ! -e $SOURCE/$file ]] || cmp -s "$SOURCE/$file" "$TARGET/$file" || install -m 0644 "$SOURCE/$file" "$TARGET/$file"
done

# settings: what was changed here stays, the shipped version is put beside it
while IFS= read -r file; do
  destination=$TARGET/CONFIG/$file
  install -d -m 0755 "$(dirname "$destination")"
  if [[ ! -e $destination ]]; then
    install -m 0644 "$SOURCE/CONFIG/$file" "$destination"
  elif ! cmp -s "$SOURCE/CONFIG/$file" "$destination"; then
    install -m 0644 "$SOURCE/CONFIG/$file" "$destination.new"
    say "kept $destination; the shipped one is $destination.new"
  fi
done < <(cd "$SOURCE/CONFIG" && find . -type f -not -path './systemd/*' -printf '%P\n' | LC_ALL=C sort)

install -d -m 0755 "$(dirname "$UNIT")"
unit=$(sed "s|@PREFIX@|$PREFIX|g" "$SOURCE/CONFIG/systemd/$NAME.service")
printf '%s\n' "$unit" >"$UNIT.new"
chmod 0644 "$UNIT.new"
mv "$UNIT.new" "$UNIT"

install -d -m 0750 "$(dirname "$SETTINGS")"
if [[ ! -e $SETTINGS ]]; then
  install -m 0600 /dev/null "$SETTINGS"
  cat >"$SETTINGS" <<'SETTINGS_END'
# Flags of python -m bin.run_live_trading, on one line. Paper unless --live is among them.
LIVE_TRADING_ARGS=--run-id CHANGE_ME --broker paper

# Settings and secrets, e.g.
# LIVE_TRADING__ALERTING__WEBHOOK__URL=https://...
SETTINGS_END
fi

if [[ -z $DESTDIR ]]; then
  getent group "$NAME" >/dev/null || groupadd --system "$NAME"
  id -u "$NAME" >/dev/null 2>&1 ||
    useradd --system --gid "$NAME" --home-dir "/var/lib/$NAME" --no-create-home --shell /usr/sbin/nologin "$NAME"
  make -C "$TARGET" venv PYTHON="$PYTHON"
  if [[ -d /run/systemd/system ]]; then
    systemctl daemon-reload
  fi
fi

say "installed to $TARGET; next: edit $SETTINGS, then: systemctl enable --now $NAME"
