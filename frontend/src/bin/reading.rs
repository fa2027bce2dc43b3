//! Starts the program of what is read in the browser.

fn main() {
    frontend::app::start(frontend::programs::Program::Reading, frontend::reading::pages);
}
