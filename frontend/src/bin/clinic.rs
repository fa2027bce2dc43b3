//! Starts the clinic's program in the browser.

fn main() {
    frontend::app::start(frontend::programs::Program::Clinic, frontend::clinic::pages);
}
