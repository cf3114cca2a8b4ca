// Words of the table of runs and their comparison: key: [English, Chinese].

export const RUNS = {} as const;
