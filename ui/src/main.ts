import { mount } from "svelte";
import "uplot/dist/uPlot.min.css";
import "./app.css";
import "./views.css";
import App from "./App.svelte";
import { theme } from "./state/theme.svelte";

theme.apply();

const target = document.getElementById("app");
if (target) mount(App, { target });
