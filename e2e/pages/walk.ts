import { expect, type Page } from "@playwright/test";

import type { Role } from "./sign_in.js";

/** A page of the product: who opens it, its route, and what it is made of. */
export interface Walked {
  name: string;
  by: Role | "stranger";
  /** As the programs' routers have it. */
  route: string;
  /** Its main structure, in order, as Playwright writes what assistive technology hears. */
  structure: string;
  /** How many charts it has; they are drawn when somebody gets there. */
  charts?: number;
}

/** The first address like this that a list leads to. */
async function firstOf(page: Page, list: string, like: RegExp): Promise<string> {
  await page.goto(list);
  const links = page.locator("main a[href]");
  let found: string | undefined;
  await expect(async () => {
    const addresses = await links.evaluateAll((all) => all.map((one) => one.getAttribute("href") ?? ""));
    found = addresses.find((one) => like.test(one));
    expect(found).toBeTruthy();
  }).toPass();
  return found ?? "";
}

/** Goes to each of the charts of the page, so that they are drawn. */
export async function seeCharts(page: Page, howMany: number): Promise<void> {
  const charts = page.locator(".chart");
  await expect(charts).toHaveCount(howMany);
  for (const chart of await charts.all()) {
    await chart.scrollIntoViewIfNeeded();
    await expect(chart.locator("svg")).toBeVisible();
  }
}

/** Opens a route; of records that of the demo's patient with the highest risk, who has charts. */
export async function open(page: Page, route: string): Promise<void> {
  let address = route;
  if (route.startsWith("/patients/:id")) {
    const patient = await firstOf(page, "/patients?sort=-risk&q=DEMO-", /^\/patients\/[0-9a-f-]{36}$/);
    address = route.replace("/patients/:id", patient);
  } else if (route === "/models/:version") {
    address = await firstOf(page, "/models", /^\/models\/./);
  }
  await page.goto(address);
}

/** Every page that somebody can open, by the addresses of frontend/src/programs.rs. */
export const PAGES: Walked[] = [
  {
    name: "sign-in", by: "stranger", route: "/sign-in", structure: `
    - main:
      - heading "Nephrocast" [level=1]
      - textbox "E-mail address"
      - textbox "Password"
      - button "Sign in"
      - paragraph: /not a medical device/`,
  },
  {
    name: "set a password", by: "stranger", route: "/set-password", structure: `
    - main:
      - heading "Set your password" [level=1]
      - textbox "New password"
      - button "Set password"`,
  },
  {
    name: "no such page", by: "stranger", route: "/nowhere", structure: `
    - main:
      - heading "There is no such page" [level=1]
      - link "Go to the start"`,
  },
  {
    name: "patients", by: "clinician", route: "/patients", structure: `
    - banner:
      - link "Nephrocast"
      - navigation "Main":
        - link "Patients"
        - link "Dashboard"
      - button "Hide names"
      - button /^Theme/
      - button /^Account/
    - main:
      - heading "Patients" [level=1]
      - button "Predict all in this view"
      - button "Export CSV"
      - link "Import"
      - link "New patient"
      - region "Patient list":
        - search:
          - searchbox "Search"
          - combobox "Sort by"
          - combobox "Stage"
          - checkbox "Tests overdue"
        - table:
          - rowgroup:
            - row "Patient Age, sex KDIGO eGFR uACR 2-year risk 5-year risk Category Due Last value"
        - button "Load more"`,
  },
  {
    name: "dashboard", by: "clinician", route: "/dashboard", charts: 1, structure: `
    - main:
      - heading "Dashboard" [level=1]
      - region "KDIGO categories":
        - heading "KDIGO categories" [level=2]
        - table:
          - rowgroup:
            - row:
              - columnheader /A1/
              - columnheader /A2/
              - columnheader /A3/
              - columnheader "Unknown"`,
  },
  {
    name: "calculator", by: "clinician", route: "/calculator", structure: `
    - main:
      - heading "Quick calculator" [level=1]
      - button "Clear"
      - button "Print"
      - form "Values":
        - spinbutton "Age, in years"
        - combobox "Sex"
        - textbox "Creatinine"
        - textbox "eGFR"
        - textbox /uACR/
        - combobox "KFRE calibrated for"
      - region "Results":
        - heading "Results" [level=2]
      - paragraph: /not a medical device/`,
  },
  {
    name: "new patient", by: "clinician", route: "/patients/new", structure: `
    - main:
      - heading "New patient" [level=1]
      - region "Who it is":
        - textbox "Family name"
        - textbox "Given name"
        - textbox "Medical record number"
        - textbox "Date of birth"
        - combobox "Sex assigned at birth"
      - region "What predictions use":
        - combobox "Primary renal disease"
        - group "Diabetes":
          - radio "Yes"
          - radio "No"
          - radio "Unknown" [checked]
        - group "Smoking"
      - region "The patient’s own access"
      - button "Register"
      - link "Cancel"`,
  },
  {
    name: "patient", by: "clinician", route: "/patients/:id", charts: 3, structure: `
    - main:
      - heading [level=1]
      - link "Report"
      - link "Documents"
      - region "Key figures":
        - group "eGFR"
        - group "uACR"
        - group "KDIGO risk"
        - group "5-year risk of kidney failure"
      - region "Risk of kidney failure":
        - heading "Risk of kidney failure" [level=2]
        - link "What if?"
        - button "Predict"
        - region "KFRE"
        - region "Network"
        - img /of 100 people within 5 years/
        - region "Over five years":
          - figure:
            - img
            - group "This chart":
              - button "Full screen"
              - button "Save PNG"
              - button "Save SVG"
        - region "What moves the network’s risk"
        - region "What the guidelines say"
      - region "Course":
        - heading "Course" [level=2]
      - region "Values":
        - heading "Values" [level=2]
        - combobox "Show"
        - group "Values":
          - table`,
  },
  {
    name: "change facts", by: "clinician", route: "/patients/:id/edit", structure: `
    - main:
      - heading /^Facts about / [level=1]
      - region "Who it is":
        - textbox "Medical record number"
      - region "What predictions use"
      - button "Save"
      - link "Cancel"
      - region "Archive":
        - button "Archive this record"`,
  },
  {
    name: "documents", by: "clinician", route: "/patients/:id/documents", structure: `
    - main:
      - heading "Documents" [level=1]
      - region "Add documents":
        - combobox "What they are"
        - button "Files"
      - region "Documents of the record"`,
  },
  {
    name: "what if", by: "clinician", route: "/patients/:id/what-if", structure: `
    - main:
      - heading "What if?" [level=1]
      - region "Move the values":
        - button "Back to the real values" [disabled]
        - slider "eGFR"
        - group "Diabetes"
        - group "Treatments"
      - region "Kidney Failure Risk Equation":
        - table
      - region "Network":
        - table`,
  },
  {
    name: "report", by: "clinician", route: "/patients/:id/report", structure: `
    - main:
      - link "Back to the record"
      - group "Written for":
        - radio [checked]
        - radio
      - button "Print"
      - article "Kidney report":
        - heading "Kidney report" [level=1]
        - heading "Where the kidneys stand" [level=2]
        - heading "Facts" [level=2]
        - heading "Risk of kidney failure (dialysis or transplant)" [level=2]
        - table
        - heading /^Course of eGFR/ [level=2]
        - img /^eGFR from/
        - heading "Latest values" [level=2]`,
  },
  {
    name: "care team", by: "clinician", route: "/patients/:id/care-team", structure: `
    - main:
      - heading "Care team" [level=1]
      - region "Members"
      - region "Share or hand over":
        - textbox "Colleague"
      - region "Opened in an emergency"`,
  },
  {
    name: "import", by: "clinician", route: "/import", structure: `
    - main:
      - heading "Import" [level=1]
      - region "File":
        - heading "File" [level=2]
        - button /^CSV or NDJSON/`,
  },
  {
    name: "emergency access", by: "clinician", route: "/emergency-access", structure: `
    - main:
      - heading "Emergency access" [level=1]
      - textbox "Medical record number"
      - textbox "Reason"
      - button "Open the record"`,
  },
  {
    name: "account", by: "clinician", route: "/account", structure: `
    - main:
      - heading "Your account" [level=1]
      - region "You"
      - region "Password":
        - button "Change password"
      - region "Second factor":
        - button "Set up"
      - region "Where you are signed in":
        - list:
          - listitem`,
  },
  {
    name: "tokens", by: "clinician", route: "/tokens", structure: `
    - main:
      - heading "API tokens" [level=1]
      - button "New token"
      - region "Tokens"`,
  },
  {
    name: "research", by: "researcher", route: "/research", structure: `
    - main:
      - heading "Research" [level=1]
      - form "Question":
        - combobox "Group by"
        - combobox "Show"
        - group: Only some people
      - region "Answer":
        - region "Figures of groups":
          - table`,
  },
  {
    name: "about", by: "clinician", route: "/about", structure: `
    - main:
      - heading "About Nephrocast" [level=1]
      - heading "What it does" [level=2]
      - heading "The network" [level=2]
      - paragraph:
        - link /^Model card/
      - heading "Equations and their sources" [level=2]
      - term: Estimated GFR`,
  },
  {
    name: "help", by: "stranger", route: "/help", structure: `
    - main:
      - heading "Help" [level=1]
      - navigation "On this page":
        - list:
          - listitem:
            - link
      - region "Formulas and their sources":
        - heading "Formulas and their sources" [level=2]`,
  },
  {
    name: "start", by: "patient", route: "/", structure: `
    - main:
      - heading "My record" [level=1]`,
  },
  {
    name: "own record", by: "patient", route: "/my-record", charts: 1, structure: `
    - banner:
      - navigation "Main":
        - link "My record"
    - main:
      - heading "My record" [level=1]
      - link "Print on one page"
      - region "How well your kidneys work":
        - paragraph
        - figure:
          - img
          - group "This chart":
            - button "Zoom in"
            - button "Zoom out"
      - region "Protein in your urine"
      - region "What may come":
        - list
        - figure:
          - img /of 100 people within 5 years/
      - region "What you can talk about with your doctor":
        - list
      - region "What helps"
      - region "Your values":
        - table "The newest value of each kind"
      - region "Your documents"
      - region "Who looked at this record":
        - group: Who looked at this record`,
  },
  {
    name: "users", by: "admin", route: "/users", structure: `
    - main:
      - heading "Users" [level=1]
      - button "New user"
      - region "User list":
        - search:
          - searchbox "Search"
        - group "Users":
          - table:
            - rowgroup:
              - row:
                - columnheader
            - rowgroup:
              - row:
                - rowheader
                - cell
                - cell:
                  - button /^Manage/`,
  },
  {
    name: "settings", by: "admin", route: "/settings", structure: `
    - main:
      - heading "Settings" [level=1]
      - combobox "KFRE baseline"
      - spinbutton "An emergency opens a record for minutes"
      - group "A second factor is required of":
        - checkbox "Researcher"
      - spinbutton "A session ends after minutes without use"
      - button "Save"`,
  },
  {
    name: "audit log", by: "admin", route: "/audit", structure: `
    - main:
      - heading "Audit log" [level=1]
      - region "Is it whole?":
        - heading "Is it whole?" [level=2]
        - button "Check the log"
        - button "Export (NDJSON)"
      - region "Entries":
        - search
        - group "Audit entries":
          - table`,
  },
  {
    name: "archived records", by: "admin", route: "/archived-records", structure: `
    - main:
      - heading "Archived records" [level=1]
      - region "Records"`,
  },
  {
    name: "models", by: "admin", route: "/models", structure: `
    - main:
      - heading "Models" [level=1]
      - region "Releases":
        - region "Releases, table":
          - table
      - region "Drift of inputs":
        - heading "Drift of inputs" [level=2]
        - list
        - region "Drift by week, table":
          - table`,
  },
  {
    name: "model card", by: "admin", route: "/models/:version", structure: `
    - main:
      - heading /^Model card/ [level=1]
      - region "Summary"
      - region "What it had to reach":
        - region "What it had to reach, table":
          - table`,
  },
];
