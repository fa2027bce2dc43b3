//! Starts the office's program in the browser.

fn main() {
    frontend::app::start(frontend::programs::Program::Office, frontend::office::pages);
}
