# Puts an empty /run in place of the host's, for this process and those that see its mounts, and becomes what it is told.
set -eu

mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal
# Nothing but what the test sends: the kernel's log and its auditing are the host's, and none of the test's business.
cat >/run/systemd/journald.conf.d/test.conf <<'SETTINGS'
[Journal]
Storage=volatile
ReadKMsg=no
Audit=
ForwardToSyslog=no
ForwardToKMsg=no
ForwardToConsole=no
ForwardToWall=no
RateLimitIntervalSec=0
SETTINGS
[ ! -e /dev/kmsg ] || mount --bind /dev/null /dev/kmsg
# It writes under the machine's name, and a container may have none.
if [ ! -s /etc/machine-id ]; then
    echo 0123456789abcdef0123456789abcdef >/run/machine-id
    mount --bind /run/machine-id /etc/machine-id
fi
exec "$@"
