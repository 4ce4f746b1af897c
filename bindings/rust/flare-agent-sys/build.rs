//! Finds libflare_agent: where FLARE_AGENT_LIB_DIR says, by pkg-config, or made from its sources (feature `bundled`).
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

// What the static library needs; the shared one brings it along.
const NEEDED_BY_STATIC: [&str; 4] = ["stdc++", "zmq", "ssl", "crypto"];

fn main() {
    println!("cargo:rerun-if-env-changed=FLARE_AGENT_LIB_DIR");
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
    if env::var_os("CARGO_FEATURE_BUNDLED").is_some() {
        build_bundled();
    } else if let Some(folder) = env::var_os("FLARE_AGENT_LIB_DIR") {
        link_shared(Path::new(&folder));
    } else {
        link_shared(&ask_pkg_config());
    }
}

fn link_shared(folder: &Path) {
    println!("cargo:rustc-link-search=native={}", folder.display());
    println!("cargo:rustc-link-lib=dylib=flare_agent");
    println!("cargo:lib_dir={}", folder.display());
}

fn ask_pkg_config() -> PathBuf {
    // While the major version is 0 a new minor version may change the interface.
    let known =
        |version| Command::new("pkg-config").args(["--exists", version]).status().map_or(false, |s| s.success());
    let output = Command::new("pkg-config").args(["--variable=libdir", "flare_agent"]).output();
    match output {
        Ok(output) if known("flare_agent >= 0.1") && known("flare_agent < 0.2") => {
            PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
        }
        _ => panic!(
            "libflare_agent 0.1 was not found: pkg-config knows {}. Install it, or say where its .pc file is \
             (PKG_CONFIG_PATH) or where the library is (FLARE_AGENT_LIB_DIR), or use the feature `bundled`",
            if known("flare_agent") { "another version of flare_agent" } else { "no flare_agent" }
        ),
    }
}

fn build_bundled() {
    let crate_folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let packaged = crate_folder.join("native");
    let sources = if packaged.exists() { packaged } else { crate_folder.join("../../..") };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo")).join("native");
    for part in ["CMakeLists.txt", "cmake", "include", "schema", "src"] {
        println!("cargo:rerun-if-changed={}", sources.join(part).display());
    }
    run(Command::new("cmake").arg("-S").arg(&sources).arg("-B").arg(&out).args([
        "-DCMAKE_BUILD_TYPE=Release",
        "-DCMAKE_UNITY_BUILD=ON",
        "-DFLARE_BUILD_TESTS=OFF",
        "-DFLARE_BUILD_TOOLS=OFF",
    ]));
    let jobs = env::var("NUM_JOBS").expect("set by cargo");
    run(Command::new("cmake").arg("--build").arg(&out).args(["--target", "flare_agent_static", "--parallel", &jobs]));
    println!("cargo:rustc-link-search=native={}", out.join("lib").display());
    println!("cargo:rustc-link-lib=static=flare_agent");
    for library in NEEDED_BY_STATIC {
        println!("cargo:rustc-link-lib=dylib={}", library);
    }
}

fn run(command: &mut Command) {
    let status = command.status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{:?} ended with {}", command, status),
        Err(error) => panic!("{:?} could not be run: {}. The feature `bundled` needs CMake", command, error),
    }
}
