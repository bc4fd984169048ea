//! The pages' files from npm are not part of the repository: say what makes them instead of serving pages without them.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=assets");
    if !Path::new("assets/vendor/icons.svg").exists() {
        println!("cargo::error=the console's assets are not there yet: run `make assets` once (it needs npm)");
    }
}
