//! Starts the researchers' program in the browser.

fn main() {
    frontend::app::start(frontend::programs::Program::Research, frontend::research::pages);
}
