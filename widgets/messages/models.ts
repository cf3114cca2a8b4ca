// Words of the model page: key: [English, Chinese].

export const MODELS = {} as const;
