{{/* What all pods have in common. They satisfy Pod Security "restricted" too. */}}

{{- define "flowforge.pods.securityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
# Secrets and volumes are readable through this group.
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "flowforge.pods.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/*
Labels and annotations of the pods of a Deployment: (dict "root" $ "component" "web" "party" "service").
The component's values are its settings.
*/}}
{{- define "flowforge.pods.metadata" -}}
{{- $values := get .root.Values .component -}}
labels:
  {{- include "flowforge.labels" . | nindent 2 }}
  {{- with $values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $vault := include "flowforge.secrets.annotations" . }}
{{- if or $vault $values.podAnnotations }}
annotations:
  {{- with $vault }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The beginning of every pod's spec: (dict "root" $ "component" "web"). */}}
{{- define "flowforge.pods.head" -}}
serviceAccountName: {{ include "flowforge.fullname" .root }}-{{ .component }}
# Service links would put FLOWFORGE_GATEWAY_PORT=tcp://… into every process, the name of a setting.
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- include "flowforge.pods.securityContext" . | nindent 2 }}
{{- end -}}

{{/* Where pods of a Deployment run: (dict "root" $ "component" "web"). */}}
{{- define "flowforge.pods.placement" -}}
{{- $values := get .root.Values .component -}}
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds | int64 }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $values.topologySpread.enabled }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ $values.topologySpread.whenUnsatisfiable }}
    # Only pods of the same ReplicaSet count: those of the version before are about to go.
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "flowforge.selectorLabels" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Image, command and hardening of a container of ours: (dict "root" $ "command" "web"). */}}
{{- define "flowforge.pods.container" -}}
image: {{ include "flowforge.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: [{{ .command }}]
securityContext:
  {{- include "flowforge.pods.containerSecurityContext" . | nindent 2 }}
{{- end -}}

{{/* The probes of a process, on one of its named ports. */}}
{{- define "flowforge.pods.probes" -}}
startupProbe:
  httpGet: {path: /health/live, port: {{ . }}}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /health/live, port: {{ . }}}
  periodSeconds: 15
  timeoutSeconds: 5
  failureThreshold: 4
readinessProbe:
  httpGet: {path: /health/ready, port: {{ . }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{/* Endpoints go away while a pod ends; whoever still calls it finds it for these seconds. */}}
{{- define "flowforge.pods.lifecycle" -}}
lifecycle:
  preStop:
    sleep: {seconds: 5}
{{- end -}}

{{/* The evaluation's database comes with the release, so no hook can migrate it: every pod does, one at a time. */}}
{{- define "flowforge.pods.migration" -}}
{{- if .Values.evaluation.enabled -}}
initContainers:
  - name: migrate
    {{- include "flowforge.pods.container" (dict "root" . "command" "migrate") | nindent 4 }}
    env:
      {{- include "flowforge.environment.common" . | nindent 6 }}
    resources:
      {{- toYaml .Values.migrate.resources | nindent 6 }}
    volumeMounts:
      {{- with include "flowforge.secrets.mounts" . }}
      {{- . | nindent 6 }}
      {{- end }}
      - name: tmp
        mountPath: /tmp
{{- end }}
{{- end -}}
