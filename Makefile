# One command for each thing that one does here. What it does is written where it calls.
#
#   make demo   shows the main job in front of a real containerd, in a minute's reading (ARGS=--stand-in: without one)
#   make test   passes the tests
#   make bench  compares calls through repoint with direct ones, times the decision about one, and a report of 1 GB
#   make deb    makes a Debian package; make rpm: one for RHEL and its like; make dist: both, a tarball, and their hashes
#   make try    makes them, and installs, upgrades, removes and purges them on a throw-away copy of this machine
#   make ci     does all that a change has to pass
#
# These install what they need and is missing, where they can: Debian or Ubuntu, as root.

.PHONY: demo test bench deb rpm dist try ci set-up

demo: set-up ; @cargo build --locked --bin repoint --example demo && cargo run --quiet --locked --example demo -- $(ARGS)
test: set-up ; cargo test --locked
bench: set-up ; cargo bench --locked --bench relay --bench decide && cargo bench --locked --bench report -- 1000
deb rpm dist: ; scripts/package $@
try: dist ; cargo test --locked --test packages
ci: ; .ci/run
set-up: ; @scripts/set-up
