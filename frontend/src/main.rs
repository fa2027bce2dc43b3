//! Starts the single-page application in the browser.

fn main() {
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        frontend::app::show_broken();
    }));
    frontend::app::start();
}
