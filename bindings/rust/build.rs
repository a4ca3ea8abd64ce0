// libsonde is found by the linker; SONDE_LIB_DIR names its folder where it lies elsewhere.
fn main() {
    println!("cargo:rerun-if-env-changed=SONDE_LIB_DIR");
    if let Ok(folder) = std::env::var("SONDE_LIB_DIR") {
        println!("cargo:rustc-link-search=native={folder}");
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
    println!("cargo:rustc-link-lib=dylib=sonde");
}
