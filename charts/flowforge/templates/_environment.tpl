{{/*
What each process reads from its environment. No secret is here: those are files (see _secrets.tpl).
Whole numbers go through int64, since Helm reads them as floating point and would write large ones as 2.6e+07.
*/}}

{{- define "flowforge.environment.common" -}}
- name: FLOWFORGE_SECRETS_DIR
  value: {{ include "flowforge.secrets.directory" . }}
- name: FLOWFORGE_LOG_LEVEL
  value: {{ .Values.logLevel }}
- name: FLOWFORGE_GATEWAY_URL
  value: {{ include "flowforge.gatewayUrl" . }}
{{- with .Values.otlpEndpoint }}
- name: FLOWFORGE_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- with .Values.database }}
- name: FLOWFORGE_DATABASE_POOL_SIZE
  value: {{ .poolSize | int64 | quote }}
- name: FLOWFORGE_DATABASE_MAX_OVERFLOW
  value: {{ .maxOverflow | int64 | quote }}
- name: FLOWFORGE_DATABASE_RECYCLE_SECONDS
  value: {{ .recycleSeconds | int64 | quote }}
- name: FLOWFORGE_DATABASE_STATEMENT_SECONDS
  value: {{ .statementSeconds | int64 | quote }}
- name: FLOWFORGE_DATABASE_PGBOUNCER
  value: {{ .pgbouncer | quote }}
{{- end }}
{{- end -}}

{{/* The gateway also takes results in, so that the bounds of a run are its business too. */}}
{{- define "flowforge.environment.limits" -}}
{{- with .Values.limits -}}
- name: FLOWFORGE_RUN_TIMEOUT_SECONDS
  value: {{ .runTimeoutSeconds | int64 | quote }}
- name: FLOWFORGE_STALL_TIMEOUT_SECONDS
  value: {{ .stallTimeoutSeconds | int64 | quote }}
- name: FLOWFORGE_MAX_TURNS
  value: {{ .maxTurns | int64 | quote }}
- name: FLOWFORGE_MAX_WORKSPACE_BYTES
  value: {{ .maxWorkspaceBytes | int64 | quote }}
- name: FLOWFORGE_MAX_RESULT_BYTES
  value: {{ .maxResultBytes | int64 | quote }}
- name: FLOWFORGE_MAX_RESULT_FILES
  value: {{ .maxResultFiles | int64 | quote }}
- name: FLOWFORGE_MAX_LOG_BYTES
  value: {{ .maxLogBytes | int64 | quote }}
- name: FLOWFORGE_MAX_DELIVERY_BYTES
  value: {{ .maxDeliveryBytes | int64 | quote }}
{{- end }}
{{- end -}}

{{- define "flowforge.environment.gateway" -}}
{{ include "flowforge.environment.common" . }}
- name: FLOWFORGE_GATEWAY_HOST
  value: {{ .Values.bindAddress | quote }}
- name: FLOWFORGE_GATEWAY_PORT
  value: "8081"
- name: FLOWFORGE_GATEWAY_ADMIN_HOST
  value: {{ .Values.bindAddress | quote }}
- name: FLOWFORGE_GATEWAY_ADMIN_PORT
  value: "8083"
- name: FLOWFORGE_ANTHROPIC_BASE_URL
  value: {{ .Values.model.apiUrl | quote }}
{{ include "flowforge.environment.limits" . }}
{{- end -}}

{{/* Web and workers read the same settings. */}}
{{- define "flowforge.environment.service" -}}
{{ include "flowforge.environment.common" . }}
- name: FLOWFORGE_ENVIRONMENT
  value: production
- name: FLOWFORGE_DATA_DIR
  value: /var/lib/flowforge
- name: FLOWFORGE_HOST
  value: {{ .Values.bindAddress | quote }}
- name: FLOWFORGE_PORT
  value: "8080"
- name: FLOWFORGE_WORKER_HOST
  value: {{ .Values.bindAddress | quote }}
- name: FLOWFORGE_WORKER_PORT
  value: "8082"
{{- with .Values.publicUrl }}
- name: FLOWFORGE_PUBLIC_URL
  value: {{ . | quote }}
{{- end }}
{{- if .Values.github.enabled }}
- name: FLOWFORGE_GITHUB_API_URL
  value: {{ .Values.github.apiUrl | quote }}
- name: FLOWFORGE_GITHUB_GIT_URL
  value: {{ .Values.github.gitUrl | quote }}
- name: FLOWFORGE_GITHUB_APP_ID
  value: {{ .Values.github.appId | int64 | quote }}
- name: FLOWFORGE_GITHUB_APP_SLUG
  value: {{ .Values.github.appSlug | quote }}
{{- with .Values.github.oauthClientId }}
- name: FLOWFORGE_GITHUB_OAUTH_CLIENT_ID
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- if .Values.gitlab.enabled }}
- name: FLOWFORGE_GITLAB_URL
  value: {{ .Values.gitlab.url | quote }}
{{- with .Values.gitlab.oauthClientId }}
- name: FLOWFORGE_GITLAB_OAUTH_CLIENT_ID
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- with .Values.forges }}
- name: FLOWFORGE_FORGES
  value: {{ toJson . | quote }}
{{- end }}
- name: FLOWFORGE_MODEL
  value: {{ .Values.model.default | quote }}
- name: FLOWFORGE_ALLOWED_MODELS
  value: {{ join "," .Values.model.allowed | quote }}
- name: FLOWFORGE_MAX_BUDGET_USD
  value: {{ .Values.model.maxBudgetUsd | quote }}
- name: FLOWFORGE_DIRECT_CALLS
  value: {{ .Values.model.directCalls | quote }}
{{ include "flowforge.environment.limits" . }}
{{ include "flowforge.environment.jobs" . }}
{{ include "flowforge.environment.runs" . }}
{{- end -}}

{{/* Each worker goes at its part of the pace that GitHub allows: as many parts as there may be workers, 16 at most. */}}
{{- define "flowforge.environment.jobs" -}}
- name: FLOWFORGE_FORGE_PROCESSES
  value: {{ ternary .Values.worker.keda.maxReplicas .Values.worker.replicas .Values.worker.keda.enabled | int64 | min 16 | quote }}
{{- with .Values.jobs }}
- name: FLOWFORGE_MAX_JOBS_PER_REPOSITORY
  value: {{ .maxPerRepository | int64 | quote }}
- name: FLOWFORGE_MAX_JOBS_PER_INSTALLATION
  value: {{ .maxPerInstallation | int64 | quote }}
- name: FLOWFORGE_MAX_JOBS
  value: {{ .max | int64 | quote }}
- name: FLOWFORGE_PUSH_DEBOUNCE_SECONDS
  value: {{ .pushDebounceSeconds | int64 | quote }}
{{- end }}
{{- with .Values.retention }}
- name: FLOWFORGE_PROPOSAL_DAYS
  value: {{ .proposalDays | int64 | quote }}
- name: FLOWFORGE_DELIVERY_DAYS
  value: {{ .deliveryDays | int64 | quote }}
- name: FLOWFORGE_RESULT_DAYS
  value: {{ .resultDays | int64 | quote }}
- name: FLOWFORGE_HISTORY_MONTHS
  value: {{ .historyMonths | int64 | quote }}
- name: FLOWFORGE_AUDIT_MONTHS
  value: {{ .auditMonths | int64 | quote }}
{{- end }}
{{- end -}}

{{- define "flowforge.environment.runs" -}}
- name: FLOWFORGE_RUNNER
  value: cluster
{{- with .Values.runs }}
- name: FLOWFORGE_RUN_IMAGE
  value: {{ .image | quote }}
- name: FLOWFORGE_RUN_CPUS
  value: {{ .cpus | quote }}
- name: FLOWFORGE_RUN_MEMORY_BYTES
  value: {{ .memoryBytes | int64 | quote }}
- name: FLOWFORGE_RUN_PIDS
  value: {{ .pids | int64 | quote }}
- name: FLOWFORGE_RUN_DISK_BYTES
  value: {{ .diskBytes | int64 | quote }}
- name: FLOWFORGE_RUN_PENDING_SECONDS
  value: {{ .pendingSeconds | int64 | quote }}
- name: FLOWFORGE_PROBE_SECONDS
  value: {{ .probe.seconds | int64 | quote }}
{{- with .probe.targets }}
- name: FLOWFORGE_PROBE_TARGETS
  value: {{ join "," . | quote }}
{{- end }}
- name: FLOWFORGE_CLUSTER_NAMESPACE
  value: {{ .namespace.name | quote }}
- name: FLOWFORGE_CLUSTER_IMAGE_PULL_POLICY
  value: {{ .imagePullPolicy }}
{{- with .imagePullSecrets }}
- name: FLOWFORGE_CLUSTER_IMAGE_PULL_SECRETS
  value: {{ join "," . | quote }}
{{- end }}
{{- with .runtimeClass }}
- name: FLOWFORGE_CLUSTER_RUNTIME_CLASS
  value: {{ . | quote }}
{{- end }}
{{- if .userNamespace }}
- name: FLOWFORGE_CLUSTER_USER_NAMESPACE
  value: "true"
{{- end }}
{{- with .nodeSelector }}
- name: FLOWFORGE_CLUSTER_NODE_SELECTOR
  value: {{ toJson . | quote }}
{{- end }}
{{- with .tolerations }}
- name: FLOWFORGE_CLUSTER_TOLERATIONS
  value: {{ toJson . | quote }}
{{- end }}
{{- with .affinity }}
- name: FLOWFORGE_CLUSTER_AFFINITY
  value: {{ toJson . | quote }}
{{- end }}
{{- with .queue }}
- name: FLOWFORGE_CLUSTER_QUEUE
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}
