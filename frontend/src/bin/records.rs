//! Starts the records' program in the browser.

fn main() {
    frontend::app::start(frontend::programs::Program::Records, frontend::records::pages);
}
