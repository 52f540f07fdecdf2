// Copied beside the installed packages: imports resolve from the folder that this file is in.

export function load(name) {
  return import(name);
}
