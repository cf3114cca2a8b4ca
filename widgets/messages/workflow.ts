// Words of the workflow editor: key: [English, Chinese].

export const WORKFLOW = {} as const;
