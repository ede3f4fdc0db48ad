declare const floors: {
  readonly FLOORS: readonly (readonly string[])[];
  readonly SATELLITES: readonly string[];
  readonly PLANNED: readonly string[];
};
export = floors;
