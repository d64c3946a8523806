//! Compiles `proto/` without protoc.

use std::error::Error;

use tonic_prost_build::FileDescriptorSet;

/// Relative to `proto/`.
const FILES: [&str; 2] = ["runtime/v1.proto", "containerd/images.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    // Naming one path switches cargo's own guess off, which is every file of the package.
    println!("cargo::rerun-if-changed=proto");

    let mut descriptors = protox::compile(FILES, ["proto"])?;
    add_v1alpha2(&mut descriptors);

    tonic_prost_build::configure()
        // The peers that the tests stand in for have to misbehave in ways that a generated server cannot.
        .build_server(false)
        // Sockets are dialled in one place, and not by a generated `connect`.
        .build_transport(false)
        // It would print passwords; `cri` has one that does not.
        .skip_debug(["runtime.v1.AuthConfig"])
        .compile_fds(descriptors)?;
    Ok(())
}

/// Adds the services of `runtime.v1alpha2`: those of `runtime.v1`, over the same messages.
///
/// The two packages number every field alike that both have, so a second set of types would be the same bytes under
/// other names, and every typed call would have to be written twice. What differs is the path of a call, and that
/// v1alpha2 ended before the first stream was added.
fn add_v1alpha2(descriptors: &mut FileDescriptorSet) {
    let mut added = Vec::new();
    for v1 in descriptors.file.iter().filter(|file| file.package() == "runtime.v1") {
        let mut file = v1.clone();
        file.name = Some("runtime/v1alpha2.proto".to_owned());
        file.package = Some("runtime.v1alpha2".to_owned());
        file.message_type.clear();
        file.enum_type.clear();
        for service in &mut file.service {
            service.method.retain(|method| !method.server_streaming());
        }
        // Comments are found by position, and the positions have just moved.
        file.source_code_info = None;
        added.push(file);
    }
    descriptors.file.extend(added);
}
