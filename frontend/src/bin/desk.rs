//! Starts the desk's program in the browser.

fn main() {
    frontend::app::start(frontend::programs::Program::Desk, frontend::desk::pages);
}
