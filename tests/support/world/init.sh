# The first process of a world's own process namespace; $1 is the world's directory.
#
# It takes orders from standard input, one a line, and says the first word of each back when it is
# done. At the end of input it exits, and then the kernel kills everything that is left in the
# namespace. Input ends when the test's process does, however that happens.

set -eu

# containerd 1.6 and runc write under /run/containerd whatever their configuration says. In a mount
# namespace of our own this is nobody else's /run.
mount -t tmpfs tmpfs /run
# What they store lives in memory: overlayfs wants an upper layer that is not an overlay itself,
# which /tmp is in a container, and nothing here needs to survive a power cut.
mount -t tmpfs tmpfs "$1/data"

containerd=
while read -r order name; do
    case $order in
        registry)
            docker-registry serve "$1/$name.yml" >"$1/$name.log" 2>&1 &
            ;;
        start)
            containerd --config "$1/containerd.toml" >>"$1/containerd.log" 2>&1 &
            containerd=$!
            ;;
        stop)
            kill -TERM "$containerd"
            wait "$containerd" || :
            ;;
        kill)
            kill -KILL "$containerd"
            # The shell would announce it.
            wait "$containerd" 2>/dev/null || :
            ;;
    esac
    echo "$order"
done
