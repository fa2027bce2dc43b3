//! Starts the program of a patient's own record in the browser.

fn main() {
    frontend::app::start(frontend::programs::Program::Own, frontend::own::pages);
}
