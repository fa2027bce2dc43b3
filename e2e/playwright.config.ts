import { defineConfig } from "@playwright/test";

// scripts/e2e starts the product and says where it is.
const baseURL = process.env.NEPHROCAST_URL;
if (!baseURL) throw new Error("NEPHROCAST_URL is not set: run scripts/e2e");

export default defineConfig({
  testDir: "tests",
  outputDir: "test-results",
  fullyParallel: true,
  workers: 2,
  retries: 0,
  forbidOnly: true,
  // Rules and pictures take their time on a busy machine, which is no fault of a page.
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: [["list"]],
  // What changes the whole site runs after everything else, one by one.
  projects: [
    { name: "pages", grepInvert: /@site/ },
    { name: "site", grep: /@site/, dependencies: ["pages"], workers: 1 },
  ],
  use: {
    baseURL,
    locale: "en-GB",
    timezoneId: "UTC",
    viewport: { width: 1280, height: 900 },
    screenshot: "only-on-failure",
    // Recording every step takes a fifth of the whole run: only where somebody wants to see them.
    trace: process.env.NEPHROCAST_TRACE === "true" ? "retain-on-failure" : "off",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
    },
  },
});
