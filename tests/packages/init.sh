# The first process of a host's own process namespace; $1 is the test's directory.
#
# The host is this machine, as a layer that is only read, with one above it that is gone when this ends: dpkg has the
# machine's database to work on, and the machine never hears of it. What is to be run is in `N.sh` in that directory, N
# comes from standard input, and goes back with the exit code when it is done. At the end of input all that it left ends,
# too.

set -eu

layers=$1/layers
host=$layers/host
mkdir "$layers"
mount -t tmpfs tmpfs "$layers"
mkdir "$layers/upper" "$layers/work" "$host"
mount -t overlay overlay -o "lowerdir=/,upperdir=$layers/upper,workdir=$layers/work" "$host"
mount -t proc proc "$host/proc"
mount --bind /dev "$host/dev"
mount -t tmpfs tmpfs "$host/run"
mkdir -p "$host/mnt"
mount -t tmpfs tmpfs "$host/tmp"
# Without the layers, or the host would be in itself.
mount --bind "$1/shared" "$host/mnt"

while read -r n; do
    code=0
    chroot "$host" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
        DEBIAN_FRONTEND=noninteractive sh "/mnt/$n.sh" </dev/null >"$1/shared/$n.out" 2>&1 || code=$?
    echo "$code"
done
